"""What all trainers of this package let their users choose."""

from typing import Literal

from pydantic import Field

from guerdon import Trainer


class GradientTrainer(Trainer):
    """Options of AdamW on micro-batches. What a default has no other source is TRL's (1.16)."""

    learning_rate: float = Field(1e-6, gt=0)
    """The highest learning rate of AdamW. DeepSeek-R1's reinforcement learning: 3e-6 (arXiv 2501.12948v2)."""

    lr_scheduler_type: Literal["constant", "linear", "cosine"] = "linear"
    """How the learning rate goes from its highest, after the warm-up, to `min_lr_rate` of it, which a step after the
    last would have."""

    warmup_steps: int = Field(0, ge=0)
    """Optimizer steps in which the learning rate rises from 0 in equal parts; the first step has the first part."""

    min_lr_rate: float = Field(0.0, ge=0, le=1)
    """The share of `learning_rate` that is left at the end, for the schedules "linear" and "cosine"."""

    adam_beta1: float = Field(0.9, ge=0, lt=1)
    """AdamW's decay of the mean of gradients (arXiv 1711.05101)."""

    adam_beta2: float = Field(0.95, ge=0, lt=1)
    """AdamW's decay of the mean of squared gradients. DeepSeek-V3 trains with 0.95 (arXiv 2412.19437, section 4.2)."""

    weight_decay: float = Field(0.0, ge=0)
    """AdamW's decoupled weight decay, of weights with two or more dimensions: not of norms and biases."""

    max_grad_norm: float = Field(1.0, ge=0)
    """The norm that gradients are clipped to; 0 does not clip."""

    tokens_per_micro_batch: int = Field(8192, gt=0)
    """Tokens, with padding, of one forward and backward pass. It bounds memory and changes nothing else: the gradients
    of a step's micro-batches add up to the whole batch's. A tiny policy on a CPU is fastest with about 4,096."""

    bf16: bool = False
    """Compute in bfloat16 where torch.autocast finds it safe. Weights, gradients and optimizer stay in float32."""

    gradient_checkpointing: bool = False
    """Compute activations again in the backward pass, which takes time and saves memory."""

    bias_update_speed: float = Field(0.001, ge=0)
    """How far the routers' biases of a mixture of experts move after each optimizer step, towards equal load of the
    experts (auxiliary-loss-free balancing; DeepSeek-V3, arXiv 2412.19437, section 2.1.2: 0.001); 0 freezes them."""

    save_steps: int = Field(100, ge=0)
    """A checkpoint every so many steps, and always one at the end; 0 for the one at the end only."""
