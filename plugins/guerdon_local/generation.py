"""Completions of many prompts at once, by any model that can read prompts and then go on token by token."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from guerdon import DataError, Sampling
from guerdon_local.drawing import draw, log_distribution

DROP_AT = 0.1
"""The share of the rows that must have ended before they leave the batch; leaving costs a copy of the cache."""


class Reader(Protocol):
    """A model with the cache of one batch."""

    def read(self, prompts: Sequence[Sequence[int]], copies: int, length: int) -> torch.Tensor:
        """Read each prompt once, and go on with `copies` rows of each, for `length` tokens at most.

        The logits (rows, vocabulary) of the first tokens; the rows of one prompt are neighbours.
        """

    def go_on(self, tokens: torch.Tensor) -> torch.Tensor:
        """Append one token to each row; the logits (rows, vocabulary) of the next ones."""

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these rows only."""


@dataclass(frozen=True)
class Completions:
    """Rows of tokens (rows, length), their log-probabilities, and how many of a row count. `ended`: by an end token."""

    tokens: torch.Tensor
    logprobs: torch.Tensor
    lengths: torch.Tensor
    ended: torch.Tensor


def complete(
    reader: Reader,
    prompts: Sequence[Sequence[int]],
    copies: int,
    sampling: Sampling,
    *,
    ends: Sequence[int],
    generator: torch.Generator,
) -> Completions:
    """`copies` completions of each prompt, up to and with the first of the tokens `ends`."""
    length = sampling.max_completion_length
    logits = reader.read(prompts, copies, length)
    rows, place = len(logits), logits.device
    numbers = torch.rand(rows, length, generator=generator).to(place)
    tokens = torch.zeros(rows, length, dtype=torch.long, device=place)
    logprobs = torch.zeros(rows, length, device=place)
    lengths = torch.full((rows,), length, device=place)
    ended = torch.zeros(rows, dtype=torch.bool, device=place)
    end_ids = torch.tensor(list(ends), dtype=torch.long, device=place)
    batch = torch.arange(rows, device=place)
    for step in range(length):
        if not torch.isfinite(logits.amax(-1)).all():
            what = f"the model's logits are no numbers, at token {step + 1} of a completion"
            raise DataError("sampler", what, "go back to an earlier checkpoint, and lower the `learning_rate`")
        distribution = log_distribution(logits, sampling.temperature, sampling.top_p)
        chosen = draw(distribution, numbers[batch, step])
        tokens[batch, step] = chosen
        logprobs[batch, step] = distribution.gather(-1, chosen[:, None])[:, 0]
        now = torch.isin(chosen, end_ids) & ~ended[batch]
        if now.any():
            lengths[batch[now]] = step + 1
            ended[batch[now]] = True
            going = (~ended[batch]).nonzero()[:, 0]
            if not len(going):
                break
            if len(going) <= (1 - DROP_AT) * len(batch):
                batch, chosen = batch[going], chosen[going]
                reader.keep(going)
        if step + 1 < length:
            logits = reader.go_on(chosen)
    return Completions(tokens, logprobs, lengths, ended)


def padded(prompts: Sequence[Sequence[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Prompts of different lengths as one batch, padded on the left, and its mask; (prompts, length) each."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[pad] * (longest - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return ids, mask


class CachedReader:
    """Any causal language model of transformers, with the cache that it makes itself."""

    def __init__(self, module: Any) -> None:
        inner = module.get_base_model() if hasattr(module, "peft_config") else module
        takes = inspect.signature(inner.forward).parameters
        self._module = module
        self._cache: Any = None
        self._device = module.device
        self._positions = "position_ids" in takes
        self._last_only: dict[str, int] = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}

    @torch.no_grad()
    def read(self, prompts: Sequence[Sequence[int]], copies: int, length: int) -> torch.Tensor:
        """As `Reader.read`."""
        ids, mask = (part.to(self._device) for part in padded(prompts, 0))
        self._mask = mask
        self._cache = None
        logits = self._forward(ids, (mask.cumsum(-1) - 1).clamp(min=0))
        if not hasattr(self._cache, "batch_repeat_interleave"):
            what = f"a {type(self._module).__name__} leaves no cache that can be shared by several completions"
            raise DataError("sampler", what, "use another model")
        if copies > 1:
            self._cache.batch_repeat_interleave(copies)
            self._mask = mask.repeat_interleave(copies, 0)
            logits = logits.repeat_interleave(copies, 0)
        self._next = self._mask.sum(-1, keepdim=True)
        return logits

    @torch.no_grad()
    def go_on(self, tokens: torch.Tensor) -> torch.Tensor:
        """As `Reader.go_on`."""
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(tokens), 1)], 1)
        logits = self._forward(tokens[:, None], self._next)
        self._next = self._next + 1
        return logits

    def keep(self, rows: torch.Tensor) -> None:
        """As `Reader.keep`."""
        self._cache.batch_select_indices(rows)
        self._mask, self._next = self._mask[rows], self._next[rows]

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        said = self._module(
            input_ids=ids,
            attention_mask=self._mask,
            past_key_values=self._cache,
            use_cache=True,
            **({"position_ids": positions} if self._positions else {}),
            **self._last_only,
        )
        self._cache = said.past_key_values
        logits: torch.Tensor = said.logits[:, -1]
        return logits
