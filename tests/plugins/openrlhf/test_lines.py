"""What OpenRLHF 0.11.2 really printed, understood."""

from pathlib import Path

import pytest

from guerdon_openrlhf import lines

LOGS = Path(__file__).parent / "logs"
RAY = "\x1b[36m(PPOTrainer pid=21351)\x1b[0m "


def test_a_step_and_its_metrics_under_our_names():
    line = next(line for line in (LOGS / "grpo.log").read_text("utf-8").splitlines() if "Global step 2" in line)
    number, metrics = lines.step(lines.plain(line))
    assert number == 2
    assert {"loss", "grad_norm", "learning_rate", "kl", "sampling/kl", "reward/shaped", "time/step"} <= set(metrics)
    assert all(isinstance(value, float) for value in metrics.values())


def test_a_step_of_asynchronous_training_and_numbers_of_any_shape():
    line = (
        f"{RAY}INFO 11-28 07:41:05 ppo_trainer_async.py:263] Global step 12: {{'policy_loss': -1.5e-07, "
        "'actor_lr': 1e-06, 'kl': nan, 'rewards/a-b': 0.5, 'dynamic_filtering_pass_rate': 75.0}"
    )
    number, metrics = lines.step(lines.plain(line))
    assert number == 12
    assert metrics["loss"] == -1.5e-07
    assert metrics["kl"] != metrics["kl"]
    assert metrics["groups/pass_rate"] == 0.75
    assert "rewards/a-b" not in metrics  # counted from the rollouts


@pytest.mark.parametrize("line", ["", "Global step", "Sample: ['Global step 3: ', 1]", "Generate samples: 100%|"])
def test_other_lines_are_no_step(line):
    assert lines.step(line) is None


def test_a_step_of_the_progress_bar_of_sft():
    bar = (
        "Train step of epoch 0:  50%|█████     | 4/8 [00:03<00:02,  1.37it/s, gpt_loss=6.1, lr=0.00978, grad_norm=2.06]"
    )
    assert lines.sft_step(bar) == (4, 8, {"loss": 6.1, "learning_rate": 0.00978, "grad_norm": 2.06})
    assert lines.sft_step("Train step of epoch 0:   0%|          | 0/8 [00:00<?, ?it/s]") is None


def test_the_innermost_error_is_the_reason():
    printed = (LOGS / "engine_failed.log").read_text("utf-8").splitlines()
    assert lines.cause(printed) == "KeyError: 'layers.1.mlp.gate.e_score_correction_bias'"


def test_an_engine_that_did_not_start_is_fatal_because_openrlhf_waits_for_it_for_ever():
    printed = (LOGS / "engine_failed.log").read_text("utf-8").splitlines()
    assert sum(lines.fatal(line) for line in printed) == 1


def test_a_message_of_several_lines_is_shown_whole_and_frames_are_not():
    printed = [
        "Traceback (most recent call last):",
        '  File "x.py", line 1, in <module>',
        "torch.OutOfMemoryError: CUDA out of memory.",
        "Tried to allocate 2 GiB.",
        "Traceback (most recent call last):",
        "ray.exceptions.RayTaskError(OutOfMemoryError): ray::PolicyModelActor.fit()",
    ]
    assert lines.cause(printed) == "torch.OutOfMemoryError: CUDA out of memory.\n  Tried to allocate 2 GiB."


def test_without_an_error_the_last_words_are_the_reason():
    assert lines.cause(["one", "", "\x1b[36m(raylet)\x1b[0m two"]).endswith("two")
    assert lines.cause([]) == "it printed nothing"


def test_whoever_speaks_and_colours_are_left_out():
    assert (
        lines.plain(
            "\x1b[36m(RolloutRayActor pid=1, ip=10.0.0.1)\x1b[0m (EngineCore pid=2) "
            "ERROR 11-28 07:27:16 [core.py:1510] KeyError: 'x'\n"
        )
        == "KeyError: 'x'"
    )


def test_phases_are_told_in_words():
    assert (
        lines.phase("INFO [core.py:402] init engine (profile, create kv cache, warmup model) took 0.96 s")
        == "vLLM is ready"
    )
    assert lines.phase("something else") is None
