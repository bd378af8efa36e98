"""AdamW, its learning rate, and what is done about a gradient that is no number."""

import math

import torch
from torch import nn

from guerdon import GuerdonError
from guerdon_local.training import GradientTrainer

SKIPPED_AT_MOST = 5
"""Steps in a row whose update may be skipped."""


def learning_rate(options: GradientTrainer, step: int, total: int) -> float:
    """The learning rate of a step, counted from 1, of `total`."""
    if step <= options.warmup_steps:
        return options.learning_rate * step / options.warmup_steps
    if options.lr_scheduler_type == "constant":
        return options.learning_rate
    done = (step - options.warmup_steps - 1) / (total - options.warmup_steps)
    left = 1 - done if options.lr_scheduler_type == "linear" else (1 + math.cos(math.pi * done)) / 2
    return options.learning_rate * (options.min_lr_rate + (1 - options.min_lr_rate) * left)


class Optimizer:
    """Applies the gradients that micro-batches have left in the parameters of a module."""

    def __init__(self, module: nn.Module, options: GradientTrainer, total: int) -> None:
        """`total`: the steps that the learning rate is planned for."""
        self.options, self.total = options, total
        self.parameters = [one for one in module.parameters() if one.requires_grad]
        groups = [
            {"params": [one for one in self.parameters if one.ndim > 1], "weight_decay": options.weight_decay},
            {"params": [one for one in self.parameters if one.ndim <= 1], "weight_decay": 0.0},
        ]
        betas = (options.adam_beta1, options.adam_beta2)
        self.adamw = torch.optim.AdamW(groups, lr=options.learning_rate, betas=betas, fused=True)
        self.skipped = 0
        """Steps in a row, up to now, whose update was skipped."""

    def begin(self) -> None:
        """Set all gradients to zero: an expert that no token went to has the gradient zero, and not none."""
        for one in self.parameters:
            if one.grad is None:
                one.grad = torch.zeros_like(one)
            else:
                one.grad.zero_()

    def step(self, step: int, loss: float) -> dict[str, float]:
        """Clip and apply; skip the step if the loss or the gradient is no finite number. Returns metrics.

        Raises GuerdonError when that happened too often in a row.
        """
        limit = self.options.max_grad_norm or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, limit))
        rate = learning_rate(self.options, step, self.total)
        self.skipped = 0 if math.isfinite(loss) and math.isfinite(norm) else self.skipped + 1
        if self.skipped == SKIPPED_AT_MOST:
            raise GuerdonError(
                f"{self.options.name}: step {step}",
                f"the loss or its gradient was no finite number in {self.skipped} steps in a row "
                f"(loss {loss:g}, norm of the gradient {norm:g})",
                "go back to an earlier checkpoint with a lower learning_rate, or turn bf16 off",
            )
        if not self.skipped:
            for group in self.adamw.param_groups:
                group["lr"] = rate
            self.adamw.step()
        return {"grad_norm": norm, "learning_rate": rate, "updates/skipped": float(self.skipped > 0)}
