"""From the options of the trainer `openrlhf` to OpenRLHF's command line."""

from typing import TYPE_CHECKING

from guerdon_openrlhf.options import Arguments
from guerdon_openrlhf.places import Places

if TYPE_CHECKING:
    from guerdon_openrlhf.grpo import OpenrlhfGrpo

UNCLIPPED = "1000000"
"""OpenRLHF clips what is left of a reward after its group's baseline; to 10 unless told. Nobody asked for that."""
ESTIMATORS = {"group": "group_norm", "batch": "reinforce_baseline", "none": "dr_grpo"}
"""Our names of how advantages are scaled, and OpenRLHF's."""


def arguments(options: "OpenrlhfGrpo", places: Places, model: str, seed: int, *, resume: bool) -> Arguments:
    """The arguments of `openrlhf.cli.train_ppo_ray`. `model`: the checkpoint directory to begin with."""
    high = options.epsilon if options.epsilon_high is None else options.epsilon_high
    words = [
        *("--actor.model_name_or_path", model),
        *("--train.agent_func_path", str(places.agent)),
        *("--data.prompt_dataset", str(places.prompts)),
        *("--data.input_key", "prompt"),
        *("--data.label_key", "label"),
        *("--data.max_len", str(options.max_prompt_length + options.max_completion_length)),
        *("--train.seed", str(seed)),
        *("--train.num_episodes", "1"),
        *("--train.max_epochs", str(options.num_iterations)),
        *("--train.batch_size", str(options.batch_size * options.group_size)),
        *("--rollout.batch_size", str(options.questions)),
        *("--rollout.n_samples_per_prompt", str(options.group_size)),
        *("--rollout.micro_batch_size", str(options.micro_batch_size)),
        *("--rollout.max_new_tokens", str(options.max_completion_length)),
        *("--rollout.temperature", repr(options.temperature)),
        *("--rollout.top_p", repr(options.top_p)),
        *("--algo.advantage.estimator", ESTIMATORS[options.scale_rewards]),
        *("--actor.policy_loss_type", "gspo" if options.importance_sampling_level == "sequence" else "ppo"),
        *("--actor.loss_agg_mode", "token-mean" if options.loss_type == "dapo" else "seq-mean-token-mean"),
        *("--actor.eps_clip_low_high", repr(options.epsilon), repr(high)),
        *("--algo.kl.init_coef", repr(options.beta)),
        *("--reward.clip_range", f"-{UNCLIPPED}", UNCLIPPED),
        *("--actor.num_nodes", str(options.nodes)),
        *("--actor.num_gpus_per_node", str(options.gpus_per_node)),
        *("--ref.num_nodes", str(options.nodes)),
        *("--ref.num_gpus_per_node", str(options.gpus_per_node)),
        *("--vllm.num_engines", str(options.engines)),
        *("--vllm.tensor_parallel_size", str(options.vllm_tensor_parallel_size)),
        *("--vllm.gpu_memory_utilization", repr(options.vllm_gpu_memory_utilization)),
        *("--vllm.sync_backend", options.vllm_sync_backend),
        *options.shared_arguments("actor", "actor.", options.steps),
        *places.checkpoint_arguments(options.save_steps // options.generation_steps, resume),
    ]
    if options.beta:
        words += ["--algo.kl.use_loss", "--algo.kl.estimator", "k3"]
    if options.dual_clip is not None:
        words += ["--actor.dual_clip", repr(options.dual_clip)]
    if options.entropy_coef is not None:
        words += ["--actor.entropy_coef", repr(options.entropy_coef)]
    if options.importance_correction is not None:
        level = "seq" if options.importance_correction == "sequence" else "token"
        words += ["--algo.advantage.is_correction_level", level]
        words += ["--algo.advantage.is_correction_mode", options.importance_correction_mode]
        words += [
            "--algo.advantage.is_correction_threshold",
            *map(repr, options.importance_correction_threshold),
        ]
    if options.dynamic_filtering is not None:
        words += ["--algo.dynamic_filtering_enable"]
        words += ["--algo.dynamic_filtering_range", *map(repr, options.dynamic_filtering)]
    if options.overlong_buffer_length is not None:
        words += ["--reward.overlong_buffer_len", str(options.overlong_buffer_length)]
        words += ["--reward.overlong_penalty_factor", repr(options.overlong_penalty)]
    if options.asynchronous:
        words += ["--train.async_enable", "--train.async_queue_size", str(options.async_queue_size)]
    if options.max_tokens_per_gpu is not None:
        words += ["--train.dynamic_batch_enable", "--train.max_tokens_per_gpu", str(options.max_tokens_per_gpu)]
    switches = {
        "--train.partial_rollout_enable": options.partial_rollouts,
        "--train.colocate_all": options.colocate,
        "--vllm.enforce_eager": options.vllm_enforce_eager,
        "--vllm.enable_prefix_caching": options.vllm_prefix_caching,
        "--vllm.enable_sleep": options.vllm_sleep,
        "--ds.enable_sleep": options.deepspeed_sleep,
    }
    return [*words, *(name for name, on in switches.items() if on), *options.more_arguments]
