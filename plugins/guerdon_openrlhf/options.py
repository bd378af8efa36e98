"""What all trainers of this package let their users choose. Names are those of `grpo` and `sft` where they mean it."""

from typing import Any, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from guerdon import Trainer
from guerdon_openrlhf.refusals import refuse

Arguments = list[str]
SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine_with_min_lr"}
"""Our names of learning rate schedules, and those of transformers that OpenRLHF takes."""


class OpenrlhfTrainer(Trainer):
    """Options of DeepSpeed and AdamW. Computation is in bfloat16, with an optimizer in float32."""

    judges_elsewhere = True

    python: str | None = None
    """The Python of the environment that OpenRLHF 0.11.2 and guerdon are installed in; this one unless set."""
    gpus_per_node: int = Field(8, gt=0)
    """GPUs that train, on each machine."""
    learning_rate: float = Field(1e-6, gt=0)
    """The highest learning rate of AdamW. DeepSeek-R1's reinforcement learning: 3e-6 (arXiv 2501.12948v2)."""
    lr_scheduler_type: Literal["constant", "linear", "cosine"] = "linear"
    """How the learning rate goes from its highest, after the warm-up, to the end: "linear" to 0, "cosine" to
    `min_lr_rate` of it."""
    warmup_steps: int = Field(0, ge=0)
    """Optimizer steps in which the learning rate rises from 0."""
    min_lr_rate: float = Field(0.0, ge=0, le=1)
    """The share of `learning_rate` that is left at the end, for the schedule "cosine"."""
    adam_beta1: float = Field(0.9, ge=0, lt=1)
    """AdamW's decay of the mean of gradients."""
    adam_beta2: float = Field(0.95, ge=0, lt=1)
    """AdamW's decay of the mean of squared gradients."""
    weight_decay: float = Field(0.0, ge=0)
    """AdamW's decoupled weight decay."""
    max_grad_norm: float = Field(1.0, ge=0)
    """The norm that gradients are clipped to; 0 does not clip."""
    micro_batch_size: int = Field(1, gt=0)
    """Rows of one forward and backward pass on a GPU. It bounds memory and changes nothing else."""
    packing_samples: bool = False
    """Put rows into one sequence without padding; needs flash attention."""
    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass, which takes time and saves memory."""
    zero_stage: Literal[0, 1, 2, 3] = 3
    """What DeepSpeed divides among the GPUs: from 1 the optimizer's state, from 2 gradients, with 3 the weights too
    (ZeRO, arXiv 1910.02054)."""
    adam_offload: bool = False
    """Keep the optimizer's state in the machine's memory."""
    tensor_parallel_size: int = Field(1, gt=0)
    """GPUs that share each layer in training (DeepSpeed's AutoTP)."""
    ring_attn_size: int = Field(1, gt=0)
    """GPUs that share each sequence in training (ring attention); needs `packing_samples`."""
    attn_implementation: str = "flash_attention_2"
    """How transformers computes attention: "flash_attention_2", "sdpa", "eager", …"""
    experts_implementation: Literal["eager", "batched_mm", "grouped_mm", "deepgemm"] | None = None
    """How transformers computes experts; its own choice unless set."""
    aux_loss_coef: float = Field(0.0, ge=0)
    """What the auxiliary loss that balances experts counts, for models that compute one (Mixtral, Qwen3-MoE)."""
    save_steps: int = Field(100, ge=0)
    """A checkpoint every so many steps, and always one at the end; 0 for the one at the end only."""
    more_arguments: tuple[str, ...] = ()
    """Arguments of OpenRLHF's own that are passed on as they are, the last ones: `["--ds.overlap_comm"]`."""

    @model_validator(mode="before")
    @classmethod
    def _refused(cls, options: Any) -> Any:
        return refuse(options)

    @model_validator(mode="after")
    def _possible(self) -> "OpenrlhfTrainer":
        if self.min_lr_rate and self.lr_scheduler_type != "cosine":
            raise mistake(f'min_lr_rate is for the schedule "cosine", and it is "{self.lr_scheduler_type}"')
        if (self.packing_samples or self.ring_attn_size > 1) and "flash" not in self.attn_implementation:
            raise mistake(f"packing_samples needs flash attention; attn_implementation is '{self.attn_implementation}'")
        if self.ring_attn_size > 1 and not self.packing_samples:
            raise mistake("ring_attn_size > 1 needs packing_samples = true")
        return self

    def shared_arguments(self, of_model: str, of_optimizer: str, steps: int) -> Arguments:
        """The arguments that all of OpenRLHF's programs take, though not under the same names."""
        arguments = [
            *("--train.micro_batch_size", str(self.micro_batch_size)),
            *("--ds.zero_stage", str(self.zero_stage)),
            *("--ds.param_dtype", "bf16"),
            *("--ds.attn_implementation", self.attn_implementation),
            *("--ds.tensor_parallel_size", str(self.tensor_parallel_size)),
            *("--ds.ring_attn_size", str(self.ring_attn_size)),
            *(f"--{of_optimizer}adam.lr", repr(self.learning_rate)),
            *(f"--{of_optimizer}adam.betas", repr(self.adam_beta1), repr(self.adam_beta2)),
            *(f"--{of_optimizer}adam.weight_decay", repr(self.weight_decay)),
            *(f"--{of_optimizer}lr_scheduler", SCHEDULES[self.lr_scheduler_type]),
            *(f"--{of_optimizer}lr_warmup_ratio", repr(min(self.warmup_steps / steps, 1.0))),
            *(f"--{of_optimizer}min_lr_ratio", repr(self.min_lr_rate)),
            *(f"--{of_optimizer}max_norm", repr(self.max_grad_norm)),
            *(f"--{of_model}.aux_loss_coef", repr(self.aux_loss_coef)),
        ]
        if self.experts_implementation is not None:
            arguments += ["--ds.experts_implementation", self.experts_implementation]
        switches = {
            "--ds.packing_samples": self.packing_samples,
            "--ds.adam_offload": self.adam_offload,
            f"--{of_model}.gradient_checkpointing_enable": self.gradient_checkpointing,
        }
        return arguments + [name for name, on in switches.items() if on]


def mistake(what: str) -> PydanticCustomError:
    """An error of options that do not go together."""
    return PydanticCustomError("options", "{what}", {"what": what})
