"""Options and OpenRLHF's own parser, which runs unmodified up to its call of `train`."""

import subprocess
import sys
from pathlib import Path

import pytest

from guerdon import RunFileError, runfile
from guerdon.options import build
from guerdon.plugs import Trainer
from guerdon_openrlhf.parser import parsed
from guerdon_openrlhf.places import Places

GRPO, SFT, RM = "openrlhf.cli.train_ppo_ray", "openrlhf.cli.train_sft", "openrlhf.cli.train_rm"
PLACES = Places(Path("/run/stages/rl"))


def grpo(**options):
    base = {"use": "openrlhf", "gpus_per_node": 8, "batch_size": 8, "group_size": 4}
    return build(Trainer, {**base, **options}, "trainer")


def understood(resume=False, **options):
    """What OpenRLHF's parser makes of the command line for these options."""
    return parsed(GRPO, grpo(**options).arguments(PLACES, "/model", 7, resume=resume))


def at(namespace, path):
    for name in path.split("."):
        namespace = getattr(namespace, name)
    return namespace


@pytest.mark.parametrize(
    ("options", "path", "value"),
    [
        ({}, "algo.advantage.estimator", "group_norm"),
        ({}, "rollout.n_samples_per_prompt", 4),
        ({}, "rollout.batch_size", 8),
        ({}, "train.batch_size", 32),
        ({}, "actor.eps_clip_low_high", [0.2, 0.2]),
        ({}, "algo.kl.init_coef", 0.0),
        ({}, "train.agent_func_path", "/run/stages/rl/agent.py"),
        ({}, "reward.remote_url", ["agent"]),
        ({}, "reward.clip_range", [-1e6, 1e6]),
        ({}, "ckpt.output_dir", "/run/stages/rl/final"),
        ({}, "ckpt.load_enable", False),
        ({}, "train.seed", 7),
        ({}, "critic.model_name_or_path", None),
        ({}, "vllm.num_engines", 8),
        ({}, "algo.advantage.is_correction_level", "off"),
        ({"steps_per_generation": 4}, "rollout.batch_size", 32),
        ({"steps_per_generation": 4, "save_steps": 8}, "ckpt.save_steps", 2),
        ({"save_steps": 0}, "ckpt.save_steps", -1),
        ({"num_iterations": 2}, "train.max_epochs", 2),
        ({"learning_rate": 1e-5}, "actor.adam.lr", 1e-5),
        ({"warmup_steps": 10}, "actor.lr_warmup_ratio", 0.1),
        ({"lr_scheduler_type": "cosine", "min_lr_rate": 0.1}, "actor.lr_scheduler", "cosine_with_min_lr"),
        ({"lr_scheduler_type": "constant"}, "actor.lr_scheduler", "constant_with_warmup"),
        ({"beta": 0.001}, "algo.kl.estimator", "k3"),
        ({"beta": 0.001}, "algo.kl.use_loss", True),
        ({"epsilon_high": 0.28}, "actor.eps_clip_low_high", [0.2, 0.28]),
        ({"importance_sampling_level": "sequence"}, "actor.policy_loss_type", "gspo"),
        ({"loss_type": "grpo"}, "actor.loss_agg_mode", "seq-mean-token-mean"),
        ({"scale_rewards": "none"}, "algo.advantage.estimator", "dr_grpo"),
        ({"scale_rewards": "batch"}, "algo.advantage.estimator", "reinforce_baseline"),
        ({"dual_clip": 3.0}, "actor.dual_clip", 3.0),
        ({"entropy_coef": 0.0}, "actor.entropy_coef", 0.0),
        ({"importance_correction": "token"}, "algo.advantage.is_correction_mode", "clip"),
        (
            {"importance_correction": "sequence", "importance_correction_mode": "mask"},
            "algo.advantage.is_correction_level",
            "seq",
        ),
        ({"importance_correction": "token"}, "algo.advantage.is_correction_threshold", [0.5, 5.0]),
        ({"dynamic_filtering": [0.0, 1.0]}, "algo.dynamic_filtering_range", [0.0, 1.0]),
        ({"overlong_buffer_length": 100}, "reward.overlong_buffer_len", 100),
        ({"asynchronous": True}, "train.async_enable", True),
        ({"asynchronous": True, "partial_rollouts": True}, "train.partial_rollout_enable", True),
        ({"nodes": 2, "ray_address": "http://head:8265"}, "actor.num_nodes", 2),
        ({"nodes": 2, "ray_address": "http://head:8265"}, "vllm.num_engines", 16),
        ({"vllm_tensor_parallel_size": 4}, "vllm.num_engines", 2),
        ({"vllm_sleep": True, "deepspeed_sleep": True}, "vllm.enable_sleep", True),
        ({"zero_stage": 2}, "ds.zero_stage", 2),
        ({"adam_offload": True}, "ds.adam_offload", True),
        ({"gradient_checkpointing": True}, "actor.gradient_checkpointing_enable", True),
        ({"experts_implementation": "grouped_mm"}, "ds.experts_implementation", "grouped_mm"),
        ({"aux_loss_coef": 0.01}, "actor.aux_loss_coef", 0.01),
        ({"packing_samples": True, "max_tokens_per_gpu": 4096}, "train.max_tokens_per_gpu", 4096),
        ({"packing_samples": True, "ring_attn_size": 2}, "ds.ring_attn_size", 2),
        ({"colocate": False}, "train.colocate_all", False),
        ({"more_arguments": ["--ds.overlap_comm"]}, "ds.overlap_comm", True),
    ],
)
def test_openrlhf_understands_what_an_option_means(options, path, value):
    assert at(understood(**options), path) == value


def test_resuming_is_openrlhfs_own():
    assert understood(resume=True).ckpt.load_enable is True


def test_demonstrations_are_understood_too():
    trainer = build(Trainer, {"use": "openrlhf-sft", "steps": 10, "gpus_per_node": 4}, "trainer")
    args = parsed(SFT, trainer.arguments(PLACES, "/model", 7, steps=10, resume=False))
    assert (args.train.batch_size, args.data.output_key, args.data.input_template) == (32, "completion", "")
    assert (args.adam.lr, args.ckpt.path) == (2e-5, "/run/stages/rl/checkpoints")


@pytest.mark.parametrize(
    ("options", "path", "value"),
    [
        ({}, "data.dataset", "/run/stages/rl/prompts.jsonl"),
        ({}, "eval.dataset", "/run/stages/rl/held-out.jsonl"),
        ({}, "data.prompt_key", None),
        ({}, "data.apply_chat_template", False),
        ({}, "data.max_len", 8192),
        ({}, "data.max_samples", 2560),
        ({}, "train.max_epochs", 1),
        ({}, "train.batch_size", 256),
        ({}, "adam.lr", 6e-6),
        ({}, "model.loss_type", "sigmoid"),
        ({}, "model.compute_fp32_loss_enable", True),
        ({}, "ckpt.path", "/run/stages/rl/checkpoints"),
        ({}, "ds.value_head_prefix", "score"),
        ({"eval_steps": 0}, "eval.steps", -1),
        ({"gradient_checkpointing": True}, "model.gradient_checkpointing_enable", True),
        ({"more_arguments": ["--model.loss_type", "exp"]}, "model.loss_type", "exp"),
    ],
)
def test_pairs_are_understood_too(options, path, value):
    trainer = build(Trainer, {"use": "openrlhf-rm", "steps": 10, **options}, "trainer")
    assert at(parsed(RM, trainer.arguments(PLACES, "/model", 7, steps=10, resume=False)), path) == value


@pytest.mark.parametrize("arguments", [["--advantage_estimator", "group_norm"], ["--ds.zero_stage", "two"]])
def test_what_openrlhf_refuses_is_a_value_error_in_its_own_words(arguments):
    with pytest.raises(ValueError, match=r"unrecognized arguments|invalid int value"):
        parsed(GRPO, ["--algo.advantage.estimator", "group_norm", "--rollout.n_samples_per_prompt", "2", *arguments])


def test_asking_the_parser_leaves_no_half_of_openrlhf_in_pythons_cache():
    understood()
    code = f"import importlib.util as u; print(len(u.find_spec({GRPO!r}).loader.get_code({GRPO!r}).co_names))"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert int(names) > 10  # its imports and its function are there


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"bias_update_speed": 0.001}, "e_score_correction_bias"),
        ({"lora_rank": 8}, "under peft's names"),
        ({"ref_model_sync_steps": 400}, "nothing resets it"),
        ({"router_replay": True}, "which experts vLLM chose"),
        ({"loss_type": "cispo"}, "policy losses are ppo and gspo"),
        ({"mask_truncated_completions": True}, "overlong_buffer_length"),
        ({"dynamic_sampling": 2}, "dynamic_filtering"),
        ({"vllm_engines": 3}, "8 GPUs train, and the engines have 3"),
        ({"steps": 10, "steps_per_generation": 4}, "no multiple"),
        ({"save_steps": 3, "steps_per_generation": 2}, "no multiple"),
        ({"batch_size": 3, "group_size": 3}, "cannot be divided"),
        ({"vllm_sleep": True, "asynchronous": True}, "never rest"),
        ({"deepspeed_sleep": True, "colocate": False}, "are for colocate"),
        ({"partial_rollouts": True}, "needs asynchronous"),
        ({"importance_correction": "sequence"}, 'mode = "mask"'),
        ({"dynamic_filtering": [1.0, 0.0]}, "smaller number comes first"),
        ({"max_tokens_per_gpu": 100}, "needs packing_samples"),
        ({"min_lr_rate": 0.1}, 'schedule "cosine"'),
        ({"packing_samples": True, "attn_implementation": "sdpa"}, "needs flash attention"),
        ({"nodes": 2}, "needs ray_address"),
        ({"substitute": "zero"}, "substitute"),
        ({"stepz": 3}, "did you mean 'steps'"),
    ],
)
def test_what_cannot_be_had_is_refused_with_the_reason(options, said):
    with pytest.raises(RunFileError, match=said):
        grpo(**options)


def test_a_run_file_may_keep_what_asks_for_nothing():
    trainer = grpo(bias_update_speed=0.0, ref_model_sync_steps=0, mask_truncated_completions=False, dynamic_sampling=0)
    assert trainer.group_size == 4


def test_the_gpus_that_all_of_it_needs():
    assert grpo().gpus == 8
    assert grpo(asynchronous=True).gpus == 16
    assert grpo(colocate=False).gpus == 16
    assert grpo(colocate=False, beta=0.1).gpus == 24


def test_a_dry_run_shows_the_command_and_writes_nothing(run_file, monkeypatch, tmp_path):
    from typer.testing import CliRunner

    from guerdon.cli.app import app

    path = run_file()
    before = sorted(tmp_path.rglob("*"))
    shown = CliRunner().invoke(app, ["train", str(path), "--dry-run"])
    assert shown.exit_code == 0, shown.output
    assert "-m openrlhf.cli.train_ppo_ray" in shown.output
    assert "--algo.advantage.estimator group_norm" in shown.output
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_refuses_what_openrlhf_would_refuse(run_file):
    file = runfile.load(run_file(trainer={"more_arguments": ["--ds.zero_stage", "two"]}))
    from guerdon import GuerdonError
    from guerdon.training import dry_run

    with pytest.raises(GuerdonError, match=r"refuses its arguments: argument --ds.zero_stage: invalid int value"):
        list(dry_run(file))
