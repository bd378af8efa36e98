"""The loss of GRPO and its relatives: pure functions of log-probabilities, [rows, tokens] each.

Every normalisation is a weight of each token that is known before the first forward pass, so that the loss of a batch
is the sum of its micro-batches' losses, however it is cut, and rows that cannot have a gradient may be left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

LossType = Literal["grpo", "dapo", "dr_grpo"]
Level = Literal["token", "sequence"]


@dataclass(frozen=True)
class PolicyLoss:
    """`per_token`: what each token adds to the loss before it is weighted. The others: 1 where the clip took hold."""

    per_token: Tensor
    clipped_low: Tensor
    clipped_high: Tensor


def policy_loss(
    logprobs: Tensor,
    old_logprobs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    epsilon: float,
    epsilon_high: float,
    level: Level = "token",
) -> PolicyLoss:
    """The clipped surrogate, -min(ratio · A, clip(ratio, 1 - epsilon, 1 + epsilon_high) · A).

    `advantages` is [rows]. The ratio is each token's (PPO, arXiv 1707.06347; GRPO, arXiv 2402.03300, equation 3), or
    with `level="sequence"` the geometric mean over the sequence's tokens (GSPO, arXiv 2507.18071, equation 7), which
    one token's expert that changed does not move far. Two bounds: DAPO, arXiv 2503.14476, section 3.1.
    """
    log_ratio = logprobs - old_logprobs
    if level == "sequence":
        log_ratio = ((log_ratio * mask).sum(1) / mask.sum(1).clamp(min=1))[:, None].expand_as(mask)
    ratio, advantages = log_ratio.exp(), advantages[:, None]
    clipped = ratio.clamp(1 - epsilon, 1 + epsilon_high)
    return PolicyLoss(
        -torch.min(ratio * advantages, clipped * advantages),
        ((ratio < 1 - epsilon) & (advantages < 0)).to(mask.dtype),
        ((ratio > 1 + epsilon_high) & (advantages > 0)).to(mask.dtype),
    )


def kl_to_reference(logprobs: Tensor, reference: Tensor) -> Tensor:
    """The estimator k3 of KL(policy ‖ reference), never negative (GRPO, arXiv 2402.03300, equation 4)."""
    log_ratio = reference - logprobs
    return log_ratio.exp() - log_ratio - 1


def token_weights(lengths: Sequence[int], loss_type: LossType, max_completion_length: int) -> list[float]:
    """What a token of each row counts in the batch's loss. `lengths`: the tokens of each row that count.

    - "grpo": each row's mean, then the mean over rows (arXiv 2402.03300, equation 3).
    - "dapo": the mean over all tokens of the batch (DAPO, arXiv 2503.14476, section 3.3).
    - "dr_grpo": the sum over tokens by rows × `max_completion_length` (Dr. GRPO, arXiv 2503.20783, section 3.2).
    """
    if loss_type == "grpo":
        return [1 / (len(lengths) * max(length, 1)) for length in lengths]
    tokens = max(sum(lengths), 1) if loss_type == "dapo" else len(lengths) * max_completion_length
    return [1 / tokens for _ in lengths]
