"""What a model thought of the tokens of completions, under the temperature and top_p that they were sampled with."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from guerdon_local.batches import Batch
from guerdon_local.drawing import log_distribution


def kept_logits(module: nn.Module, batch: Batch, temperature: float = 1.0, bf16: bool = False) -> Tensor:
    """[rows, kept, vocabulary], float32: at each kept position, what the token there was predicted with."""
    with torch.autocast(batch.ids.device.type, torch.bfloat16, enabled=bf16):
        logits: Tensor = module(input_ids=batch.ids, use_cache=False, logits_to_keep=batch.kept + 1).logits[:, :-1]
    logits = logits.float()
    return logits if temperature == 1 else logits / temperature


@dataclass(frozen=True)
class Predicted:
    """[rows, kept] each, in nats. `entropy` is that of the distribution that was sampled from, without a gradient."""

    logprobs: Tensor
    entropy: Tensor


def predicted(logits: Tensor, targets: Tensor, allowed: Tensor | None = None) -> Predicted:
    """Log-probabilities of the targets. `allowed`, [rows, kept, vocabulary]: the only tokens that could be sampled."""
    if allowed is not None:
        logits = logits.masked_fill(~allowed, -torch.inf)
    logprobs = logits.log_softmax(-1)
    with torch.no_grad():
        entropy = torch.special.entr(logprobs.exp()).sum(-1)
    return Predicted(logprobs.gather(-1, targets[..., None])[..., 0], entropy)


def allowed_tokens(logits: Tensor, top_p: float, targets: Tensor) -> Tensor:
    """[rows, kept, vocabulary]: which tokens could be sampled with `top_p`. The target was, whatever rounding says.

    What the policy that sampled left out stays left out for the policy that is trained, or the two would not be
    distributions over the same tokens (the keep sampling mask of DeepSeek-V3.2, arXiv 2512.02556).
    """
    within = log_distribution(logits, 1.0, top_p) > -torch.inf
    return within.scatter(-1, targets[..., None], True)


@dataclass(frozen=True)
class Allowed:
    """The tokens that could be sampled at each place of one completion. Few are, so they are kept by their ids."""

    ids: Tensor
    """int32: of the first place, then of the second, …"""
    counts: Tensor
    """int32, [tokens]"""

    @staticmethod
    def of(mask: Tensor) -> "Allowed":
        """From one completion's [tokens, vocabulary]."""
        return Allowed(mask.nonzero()[:, 1].int().cpu(), mask.sum(-1).int().cpu())

    def write(self, mask: Tensor) -> None:
        """Into one completion's [tokens, vocabulary] of a mask."""
        places = torch.arange(len(self.counts)).repeat_interleave(self.counts)
        mask.zero_()
        mask[places.to(mask.device), self.ids.long().to(mask.device)] = True
