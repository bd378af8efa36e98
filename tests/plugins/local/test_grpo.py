"""GRPO with the real policy, sampler and rewards, tiny."""

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from practice import go, run_file

from guerdon import DataError, PluginError, registry
from guerdon.ledger import Ledger

FAST: dict[str, Any] = {"steps": 3, "learning_rate": 3e-3, "lr_scheduler_type": "constant"}


def column(metrics: list[dict[str, Any]], name: str) -> list[float]:
    return [line[name] for line in metrics if name in line]


@pytest.mark.slow
def test_a_reward_is_learnt_to_be_earned(tmp_path: Path) -> None:
    options = {**FAST, "steps": 40, "learning_rate": 1e-2, "batch_size": 8, "group_size": 8, "epsilon_high": 0.28}
    rewards = column(go(run_file(tmp_path, options)), "reward")
    assert fmean(rewards[:3]) < 0.15
    assert fmean(rewards[-3:]) > 0.6


@pytest.mark.slow
@pytest.mark.parametrize("loss_type", ["grpo", "dr_grpo"])
@pytest.mark.parametrize("level", ["token", "sequence"])
def test_so_it_is_with_every_loss(loss_type: str, level: str, tmp_path: Path) -> None:
    options = {
        **FAST,
        "steps": 24,
        "learning_rate": 1e-2,
        "batch_size": 8,
        "group_size": 8,
        "loss_type": loss_type,
        "importance_sampling_level": level,
        "scale_rewards": "none" if loss_type == "dr_grpo" else "batch",
        "steps_per_generation": 2,
        "bias_update_speed": 0.0,
    }
    rewards = column(go(run_file(tmp_path, options)), "reward")
    assert fmean(rewards[-3:]) > 2 * fmean(rewards[:3])


def test_the_trainer_and_the_sampler_agree_on_log_probabilities(tmp_path: Path) -> None:
    for name, options in {
        "plain": {},
        "cold": {"temperature": 0.7},
        "nucleus": {"top_p": 0.8, "temperature": 1.3},
        "generation": {"steps_per_generation": 3, "num_iterations": 2, "steps": 12},
    }.items():
        metrics = go(run_file(tmp_path / name, {**FAST, **options}))
        assert max(column(metrics, "sampling/logp_difference")) < 1e-4, name
        assert all(0 < entropy < 3.2 for entropy in column(metrics, "entropy"))


def test_only_steps_after_the_first_of_a_generation_have_a_ratio_to_clip(tmp_path: Path) -> None:
    options = {
        **FAST,
        "steps": 12,
        "learning_rate": 2e-2,
        "steps_per_generation": 2,
        "num_iterations": 2,
        "epsilon": 0.05,
    }
    metrics = go(run_file(tmp_path, options))
    clipped = [line["clip_ratio/low"] + line["clip_ratio/high"] for line in metrics]
    assert all(share == 0 for share in clipped[::4])
    assert all(share > 0 for i, share in enumerate(clipped) if i % 4)
    assert [("time/sampling" in line) for line in metrics] == [True, False, False, False] * 3
    # An iteration goes through the same completions again.
    rewards = column(metrics, "reward")
    for begin in range(0, 12, 4):
        assert rewards[begin : begin + 2] == rewards[begin + 2 : begin + 4]
    assert len(set(rewards)) > 3
    rows = list(Ledger(tmp_path / "run").read())
    assert {row["step"] for row in rows} == {1, 5, 9}
    assert len(rows) == 3 * 2 * 4 * 4


def test_one_step_a_generation_never_clips(tmp_path: Path) -> None:
    metrics = go(run_file(tmp_path, {**FAST, "learning_rate": 2e-2, "epsilon": 0.0}))
    assert column(metrics, "clip_ratio/low") == column(metrics, "clip_ratio/high") == [0.0] * 3


def test_rollouts_without_a_score_are_counted_and_groups_of_fewer_than_two_are_dropped(tmp_path: Path) -> None:
    rewards = {"sevens": {"use": "sevens", "mute": "0123456789"}}
    metrics = go(run_file(tmp_path, {**FAST, "steps": 4, "group_size": 2}, **rewards))
    assert sum(column(metrics, "rollouts/unscored")) > 0
    assert sum(column(metrics, "groups/dropped")) > 0
    rows = list(Ledger(tmp_path / "run").read())
    for line in metrics:
        mine = [row for row in rows if row["step"] == line["step"]]
        groups = [mine[i : i + 2] for i in range(0, len(mine), 2)]
        scores = [[row["score"] for row in group if row["score"] is not None] for group in groups]
        assert line["rollouts/unscored"] == sum(row["score"] is None for row in mine)
        assert line["groups/dropped"] == sum(len(group) < 2 for group in scores)


def test_a_step_without_any_score_takes_no_step(tmp_path: Path) -> None:
    metrics = go(run_file(tmp_path, FAST, sevens={"use": "sevens", "mute": "*"}))
    assert column(metrics, "rollouts/unscored") == [16.0] * 3
    assert column(metrics, "groups/dropped") == [4.0] * 3
    assert not column(metrics, "loss")
    assert not column(metrics, "reward")
    begun = (next((tmp_path / "run" / "policies").rglob("model.safetensors"))).read_bytes()
    assert (tmp_path / "run" / "checkpoints" / "step-00003" / "model.safetensors").read_bytes() == begun


def test_what_is_not_computed_keeps_its_share_of_the_normalisation(tmp_path: Path) -> None:
    """Half of the groups are constant. A KL divergence that counts next to nothing has all of them computed."""
    rewards = {"sevens": {"use": "sevens", "constant": "02468"}}
    for loss_type in ("grpo", "dapo", "dr_grpo"):
        options = {**FAST, "steps": 1, "loss_type": loss_type, "batch_size": 8}
        left_out, computed = (
            go(run_file(tmp_path / f"{loss_type} {beta}", {**options, "beta": beta}, **rewards))[0]
            for beta in (0, 1e-9)
        )
        assert 0 < left_out["frac_reward_zero_std"] < 1
        assert left_out["experts/load"] == computed["experts/load"]  # of the whole batch, whatever is computed
        assert left_out["loss"] == pytest.approx(computed["loss"], abs=1e-6)
        assert left_out["grad_norm"] == pytest.approx(computed["grad_norm"], rel=1e-4)


def test_constant_rewards_move_nothing(tmp_path: Path) -> None:
    rewards = {"sevens": {"use": "sevens", "constant": "0123456789"}}
    metrics = go(run_file(tmp_path, FAST, **rewards))
    assert column(metrics, "frac_reward_zero_std") == [1.0] * 3
    assert column(metrics, "loss") == column(metrics, "grad_norm") == [0.0] * 3
    assert not column(metrics, "entropy")


def test_dynamic_sampling_asks_again_in_place_of_groups_without_variance(tmp_path: Path) -> None:
    rewards = {"sevens": {"use": "sevens", "constant": "02468"}}
    metrics = go(run_file(tmp_path, {**FAST, "group_size": 8, "dynamic_sampling": 20, "steps": 4}, **rewards))
    assert sum(column(metrics, "groups/resampled")) > 0
    rows = list(Ledger(tmp_path / "run").read())
    for line in metrics:
        groups = 4 + line["groups/resampled"]
        assert sum(row["step"] == line["step"] for row in rows) == 8 * groups
        # All that was sampled is in the metrics, so that they do not flatter.
        assert line["frac_reward_zero_std"] * groups >= line["groups/resampled"] - line["groups/dropped"]


def test_dynamic_sampling_gives_up_where_nothing_varies(tmp_path: Path) -> None:
    rewards = {"sevens": {"use": "sevens", "constant": "0123456789"}}
    metrics = go(run_file(tmp_path, {**FAST, "dynamic_sampling": 2}, **rewards))
    assert column(metrics, "groups/resampled") == [8.0] * 3


def test_the_reference_pulls_back_and_follows_when_it_is_refreshed(tmp_path: Path) -> None:
    options = {**FAST, "steps": 10, "learning_rate": 1e-2}
    free = column(go(run_file(tmp_path / "free", {**options, "beta": 1e-6})), "kl")
    held = column(go(run_file(tmp_path / "held", {**options, "beta": 3.0})), "kl")
    refreshed = column(go(run_file(tmp_path / "new", {**options, "beta": 1e-6, "ref_model_sync_steps": 2})), "kl")
    assert free[0] == held[0] == pytest.approx(0, abs=1e-7)
    assert held[-1] < free[-1] / 2
    assert [kl < 1e-7 for kl in refreshed] == [True, False] * 5
    assert free[-1] > max(refreshed)


def test_rewards_are_judged_while_the_policy_samples_on(tmp_path: Path) -> None:
    """Four chunks of eight rollouts, judged one by one: 1.28 s, of which only the last chunk's are waited for."""
    file = run_file(
        tmp_path, {**FAST, "batch_size": 8, "sampling_batch_size": 2}, it={"use": "one-by-one", "seconds": 0.04}
    )
    file.write_text(file.read_text().replace('"local"', '"unhurried"'))
    for line in go(file):
        assert line["time/sampling"] > 1.4
        assert 0.25 < line["time/rewards_wait"] < 0.64
        parts = line["time/sampling"] + line["time/rewards_wait"] + line["time/training"]
        assert line["time/step"] == pytest.approx(parts)


def test_how_fast_rewards_are_changes_nothing(tmp_path: Path) -> None:
    options = {**FAST, "sampling_batch_size": 1}
    fast = go(run_file(tmp_path / "fast", options, it={"use": "slow", "seconds": 0.0}))
    slow = go(run_file(tmp_path / "slow", options, it={"use": "slow", "seconds": 0.2}))
    assert column(fast, "loss") == column(slow, "loss")
    assert column(fast, "reward") == column(slow, "reward")


def test_truncated_completions_can_be_left_out_of_the_loss(tmp_path: Path) -> None:
    options = {**FAST, "steps": 1, "max_completion_length": 2, "batch_size": 8}
    plain, masked = (
        go(run_file(tmp_path / str(m), {**options, "mask_truncated_completions": m}))[0] for m in (False, True)
    )
    assert plain["completions/clipped_ratio"] > 0.5
    assert plain["reward"] == masked["reward"]
    assert plain["loss"] != masked["loss"]


def test_what_cannot_be_trained_on_is_said_before_anything_is_sampled(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there are none"):
        go(run_file(tmp_path / "none", FAST, tasks={"count": 0}, sevens={"use": "sevens"}))
    with pytest.raises(DataError, match=r"'task 0'.*max_completion_length"):
        go(run_file(tmp_path / "long", {**FAST, "max_completion_length": 1024}))
    with pytest.raises(DataError, match="no reward"):
        go(run_file(tmp_path / "other", FAST, sevens={"use": "sevens", "domains": ["code"]}))


@pytest.mark.parametrize(
    ("keeps", "said"),
    [
        ("everything", r"gave 0 groups of \[\] completions, asked for 2 of 4"),
        ("a completion", r"gave 2 groups of \[3, 4\] completions, asked for 2 of 4"),
        ("log-probabilities", "gives completions without token ids or log-probabilities"),
        ("a log-probability", r"gives \d log-probabilities for \d tokens"),
    ],
)
def test_a_sampler_that_keeps_something_back_is_named(keeps: str, said: str, tmp_path: Path) -> None:
    file = run_file(tmp_path, FAST)
    file.write_text(file.read_text().replace('use = "local"', f'use = "stingy"\nkeeps = "{keeps}"'))
    with pytest.raises(PluginError, match=f"sampler 'stingy': {said}"):
        go(file)


def test_a_batch_may_be_larger_than_there_are_tasks(tmp_path: Path) -> None:
    metrics = go(run_file(tmp_path, {**FAST, "batch_size": 7}, tasks={"count": 3}, sevens={"use": "sevens"}))
    rows = list(Ledger(tmp_path / "run").read())
    assert len(rows) == 3 * 7 * 4
    asked = {task: sum(row["id"] == task for row in rows) // 4 for task in {row["id"] for row in rows}}
    assert sorted(asked.values()) == [7, 7, 7]
    assert len(metrics) == 3


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    first, second = run_file(tmp_path / "first", FAST), run_file(tmp_path / "second", FAST)
    second.write_text("seed = 1\n" + second.read_text())
    assert column(go(first), "loss") != column(go(second), "loss")


def test_bf16_and_gradient_checkpointing_stay_close(tmp_path: Path) -> None:
    plain = go(run_file(tmp_path / "plain", {**FAST, "steps": 1}))[0]
    again = go(run_file(tmp_path / "again", {**FAST, "steps": 1, "gradient_checkpointing": True}))[0]
    assert again["grad_norm"] == pytest.approx(plain["grad_norm"], rel=1e-5)
    assert again["experts/load"] == plain["experts/load"]
    rough = go(run_file(tmp_path / "rough", {**FAST, "steps": 1, "bf16": True}))[0]
    assert rough["grad_norm"] == pytest.approx(plain["grad_norm"], rel=0.1)
    assert 0 < rough["sampling/logp_difference"] < 0.05


def test_every_field_says_what_it_is() -> None:
    for kind in ("grpo", "sft"):
        plug = registry.load().plugs["trainer", kind].plug
        assert all(field.description for field in plug.model_fields.values())


def test_a_term_that_is_a_models_opinion_is_correlated_with_what_it_might_be_pleased_by(tmp_path: Path) -> None:
    rewards: dict[str, dict[str, Any]] = {"liked": {"use": "sevens-liked"}, "sevens": {"use": "sevens"}}
    for line in go(run_file(tmp_path, FAST, **rewards)):
        found = {name: value for name, value in line.items() if name.startswith("correlation/")}
        assert set(found) <= {f"correlation/liked/{other}" for other in ("length", "repetition", "rewards/sevens")}
        assert found["correlation/liked/rewards/sevens"] == pytest.approx(1.0)
        assert 0 <= line["completions/repetition"] < 1
