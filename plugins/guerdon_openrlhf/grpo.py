"""GRPO by the real OpenRLHF: its options, and which of them go together."""

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from guerdon import Run
from guerdon_openrlhf.options import Arguments, OpenrlhfTrainer, mistake
from guerdon_openrlhf.places import Places


class OpenrlhfGrpo(OpenrlhfTrainer):
    """GRPO (DeepSeekMath, arXiv 2402.03300) by OpenRLHF 0.11.2 on a Ray cluster: vLLM samples, DeepSpeed trains.

    Rewards are judged where completions are sampled, by the run file's mixture or by servers of `guerdon serve`, and
    every rollout comes home with its reasons. Options that `grpo` has too mean the same here. OpenRLHF knows no rollout
    without a score: see `substitute`. With [evaluation], the policy is tried before the first step and after the last.
    """

    name: ClassVar[str] = "openrlhf"
    requires: ClassVar[tuple[str, ...]] = ("policy", "tasks", "rewards")
    needs: ClassVar[Mapping[str, str]] = {"transformers": "pip install 'guerdon[local]'"}

    steps: int = Field(100, gt=0)
    """Optimizer steps. With `dynamic_filtering` it is an upper bound: questions that are left out count too."""
    batch_size: int = Field(32, gt=0)
    """Questions of one optimizer step. DeepSeek-R1: 32."""
    group_size: int = Field(16, ge=2)
    """Completions of each question. DeepSeek-R1: 16."""
    steps_per_generation: int = Field(1, gt=0)
    """Optimizer steps whose completions are sampled at once. DeepSeek-R1: 16."""
    num_iterations: int = Field(1, gt=0)
    """How often the completions of a generation are gone through."""
    temperature: float = Field(1.0, gt=0)
    """What logits are divided by, in sampling and in training."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Sample from the likeliest tokens that have this probability together."""
    max_prompt_length: int = Field(1024, gt=0)
    """Tokens that a prompt may have; a longer one is an error before anything starts."""
    max_completion_length: int = Field(512, gt=0)
    """Tokens after which a completion is cut off."""
    scale_rewards: Literal["group", "batch", "none"] = "group"
    """What advantages are divided by: the standard deviation of the group, of all tokens of the generation, or nothing
    (Dr. GRPO, arXiv 2503.20783). OpenRLHF: group_norm, reinforce_baseline, dr_grpo."""
    loss_type: Literal["grpo", "dapo"] = "dapo"
    """Whose mean the loss is: "grpo" of each completion and then of completions, "dapo" of all tokens of a step."""
    importance_sampling_level: Literal["token", "sequence"] = "token"
    """Whether each token has a ratio of its own or the whole completion has one (GSPO, arXiv 2507.18071)."""
    epsilon: float = Field(0.2, ge=0)
    """How far the ratio may fall below 1 and still be learnt from."""
    epsilon_high: float | None = Field(None, ge=0)
    """The same above 1; unless set, `epsilon`."""
    dual_clip: float | None = Field(None, gt=1)
    """Where the advantage is negative, the ratio counts at most this much (arXiv 1912.09729)."""
    beta: float = Field(0.0, ge=0)
    """What the KL divergence from the reference (estimator k3) counts in the loss. 0 keeps no reference."""
    entropy_coef: float | None = Field(None, ge=0)
    """What the entropy of the policy counts; 0 only logs it."""
    importance_correction: Literal["token", "sequence"] | None = None
    """Correct for vLLM's probabilities being others than DeepSpeed's, by tokens or by whole completions. Truncated
    importance sampling is "token" with `importance_correction_mode = "clip"`. It also makes vLLM give its
    log-probabilities, which are then kept with the rollouts, and the metric `sampling/kl`."""
    importance_correction_mode: Literal["mask", "clip"] = "clip"
    """What becomes of a ratio outside of the threshold: it is not learnt from, or it is clipped ("token" only)."""
    importance_correction_threshold: tuple[float, float] = (0.5, 5.0)
    """The least and the greatest ratio."""
    dynamic_filtering: tuple[float, float] | None = None
    """Learn only from groups whose mean total lies between the two (DAPO, arXiv 2503.14476, section 3.2); others are
    sampled in place of the rest, as long as there are questions."""
    overlong_buffer_length: int | None = Field(None, gt=0)
    """OpenRLHF's penalty for the last so many tokens of `max_completion_length` (DAPO, section 3.4). It comes on top of
    the totals, and is not in the rollouts' scores; the reward `overlong` is."""
    overlong_penalty: float = Field(1.0, ge=0)
    """The largest such penalty."""
    asynchronous: bool = False
    """Sample the next generation while this one is learnt from; the engines then have GPUs of their own. A rollout is
    kept under the step in which it was scored."""
    async_queue_size: int = Field(1, gt=0)
    """How many generations sampling may be ahead."""
    partial_rollouts: bool = False
    """Send new weights to the engines in the middle of completions; needs `asynchronous`."""
    max_tokens_per_gpu: int | None = Field(None, gt=0)
    """Make micro-batches of so many tokens, in place of `micro_batch_size` rows; needs `packing_samples`."""
    nodes: int = Field(1, gt=0)
    """Machines that train."""
    ray_address: str | None = None
    """The dashboard of a Ray cluster (`http://HEAD:8265`), which the training is submitted to as a job; without one,
    Ray is started here, and ends with the training. Every machine must see the run's directory under its path."""
    colocate: bool = True
    """The engines, the reference and what trains take turns on the same GPUs."""
    vllm_engines: int | None = Field(None, gt=0)
    """Engines that sample; unless set, as many as the GPUs that train have room for."""
    vllm_tensor_parallel_size: int = Field(1, gt=0)
    """GPUs of an engine."""
    vllm_gpu_memory_utilization: float = Field(0.6, gt=0, le=1)
    """The share of a GPU's memory that an engine may take."""
    vllm_enforce_eager: bool = False
    """Without CUDA graphs: it starts sooner and samples more slowly."""
    vllm_prefix_caching: bool = True
    """Compute a prompt's keys and values once for its whole group."""
    vllm_sync_backend: Literal["nccl", "gloo"] = "nccl"
    """How weights reach the engines."""
    vllm_sleep: bool = False
    """Engines give their memory back while others work; needs `colocate`."""
    deepspeed_sleep: bool = False
    """What trains gives its memory back while engines work; needs `colocate`."""
    reward_servers: tuple[str, ...] = ()
    """Servers of `guerdon serve` (`http://HOST:8000`) that judge, in place of the processes that sample."""
    reward_workers: int | None = Field(None, gt=0)
    """Worker processes a reward in each process that samples; unless set, one for each of the machine's cores."""
    retries: int = Field(1, ge=0)
    """How often a rollout that has no score, because the world was at fault, is judged again."""
    substitute: float | Literal["group-mean"] = "group-mean"
    """What a rollout that has no score is paid, since OpenRLHF cannot leave it out: a number, or the mean of its
    group's scores, which gives it no advantage (0 where the group has none). The ledger keeps it without a score, and
    the metric `rollouts/unscored` counts it."""

    @property
    def generation_steps(self) -> int:
        """Optimizer steps of one generation, which is what OpenRLHF calls a step."""
        return self.steps_per_generation * self.num_iterations

    @property
    def generations(self) -> int:
        """How often completions are sampled."""
        return self.steps // self.generation_steps

    @property
    def questions(self) -> int:
        """Questions of one generation."""
        return self.batch_size * self.steps_per_generation

    @property
    def engines(self) -> int:
        """Engines that sample."""
        return self.vllm_engines or max(self.nodes * self.gpus_per_node // self.vllm_tensor_parallel_size, 1)

    @property
    def gpus(self) -> int:
        """GPUs that all of it needs."""
        training, sampling = self.nodes * self.gpus_per_node, self.engines * self.vllm_tensor_parallel_size
        if self.colocate:
            return training + (sampling if self.asynchronous else 0)
        return training + sampling + (training if self.beta else 0)

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        training, sampling = self.nodes * self.gpus_per_node, self.engines * self.vllm_tensor_parallel_size
        replicas = training // (self.ring_attn_size * self.tensor_parallel_size)
        of_step = self.batch_size * self.group_size
        if self.steps % self.generation_steps:
            raise mistake(f"steps = {self.steps} is no multiple of the {self.generation_steps} steps of a generation")
        if self.save_steps % self.generation_steps:
            raise mistake(f"save_steps = {self.save_steps} is no multiple of a generation's {self.generation_steps}")
        if self.colocate and not self.asynchronous and training != sampling:
            raise mistake(
                f"colocate: {training} GPUs train, and the engines have {sampling}; it must be the same number "
                "(vllm_engines × vllm_tensor_parallel_size = nodes × gpus_per_node)"
            )
        if training % (self.ring_attn_size * self.tensor_parallel_size):
            raise mistake("tensor_parallel_size × ring_attn_size must divide the GPUs that train")
        if of_step % (self.micro_batch_size * replicas):
            raise mistake(
                f"batch_size × group_size = {of_step} completions a step cannot be divided among {replicas} replicas "
                f"in micro-batches of {self.micro_batch_size}"
            )
        if (self.vllm_sleep or self.deepspeed_sleep) and not self.colocate:
            raise mistake("vllm_sleep and deepspeed_sleep are for colocate = true")
        if self.vllm_sleep and self.asynchronous:
            raise mistake("vllm_sleep cannot be had with asynchronous = true: the engines never rest")
        if self.partial_rollouts and not self.asynchronous:
            raise mistake("partial_rollouts needs asynchronous = true")
        if self.importance_correction == "sequence" and self.importance_correction_mode == "clip":
            raise mistake('importance_correction = "sequence" needs importance_correction_mode = "mask"')
        if self.nodes > 1 and self.ray_address is None:
            raise mistake("nodes > 1 needs ray_address, the Ray cluster that these machines make up")
        if self.max_tokens_per_gpu and not self.packing_samples:
            raise mistake("max_tokens_per_gpu needs packing_samples = true")
        for name in ("dynamic_filtering", "importance_correction_threshold"):
            bounds = getattr(self, name)
            if bounds is not None and bounds[0] >= bounds[1]:
                raise mistake(f"{name}: the smaller number comes first; got {list(bounds)}")
        if (self.overlong_buffer_length or 0) > self.max_completion_length:
            raise mistake("overlong_buffer_length is longer than max_completion_length")
        return self

    def arguments(self, places: Places, model: str, seed: int, *, resume: bool) -> Arguments:
        """The arguments of `openrlhf.cli.train_ppo_ray`. `model`: the checkpoint directory to begin with."""
        from guerdon_openrlhf.grpo_arguments import arguments

        return arguments(self, places, model, seed, resume=resume)

    def fit(self, run: Run) -> None:
        """Train for `steps`, or what an interruption has left of them."""
        from guerdon_openrlhf.fitting_grpo import fit

        fit(self, run)

    def dry_run(self, run: Run) -> str:
        """The command line, checked by OpenRLHF's own parser."""
        from guerdon_openrlhf.fitting_grpo import plan

        return plan(self, run)
