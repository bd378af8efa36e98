"""Rows of tokens, and how they are cut into micro-batches: by a budget of tokens, rows of a length together."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Row:
    """One sequence: what it begins with, and what is trained on."""

    prompt_ids: Sequence[int]
    completion_ids: Sequence[int]

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.completion_ids)


@dataclass(frozen=True)
class Batch:
    """Rows side by side, padded on the right, where a causal model needs no attention mask.

    `ids`: [rows, tokens]. `tokens`: True where `ids` is no padding. `mask`: [rows, kept], 1.0 for what is trained on.
    The kept positions are the last ones, from the first row's first completion token on: `targets` are their ids.
    """

    ids: Tensor
    tokens: Tensor
    mask: Tensor
    starts: Sequence[int]
    """Where in the kept positions each row's completion begins."""

    @property
    def kept(self) -> int:
        """How many of the last positions are kept."""
        return self.mask.shape[1]

    @property
    def targets(self) -> Tensor:
        """[rows, kept]"""
        return self.ids[:, self.ids.shape[1] - self.kept :]

    def spread(self, values: Sequence[Tensor]) -> Tensor:
        """One value for each completion token of each row, put where the token is: [rows, kept]."""
        spread = torch.zeros_like(self.mask)
        for row, (start, own) in enumerate(zip(self.starts, values, strict=True)):
            spread[row, start : start + len(own)] = own
        return spread

    def repeated(self, rows: Sequence[int]) -> "Batch":
        """The rows with these numbers, as often as they are named."""
        numbers = torch.tensor(rows, device=self.ids.device)
        starts = [self.starts[row] for row in rows]
        return Batch(self.ids[numbers], self.tokens[numbers], self.mask[numbers], starts)

    def gathered(self, values: Tensor, lengths: Sequence[int]) -> list[Tensor]:
        """The reverse of `spread`."""
        return [own[start : start + length] for own, start, length in zip(values, self.starts, lengths, strict=True)]


def alike(rows: Sequence[Row], numbers: Sequence[int]) -> list[list[int]]:
    """The numbers, those of equal rows together: late in training most completions of a question are one."""
    found: dict[tuple[tuple[int, ...], tuple[int, ...]], list[int]] = {}
    for number in numbers:
        row = rows[number]
        found.setdefault((tuple(row.prompt_ids), tuple(row.completion_ids)), []).append(number)
    return list(found.values())


def micro_batches(rows: Sequence[Sized], budget: int) -> list[list[int]]:
    """Numbers of rows, in micro-batches of at most `budget` tokens with their padding; always in the same way.

    The longest come first, so that memory runs out at once or never. A row that is longer than the budget is alone.
    """
    batches: list[list[int]] = []
    room = 0
    for number in sorted(range(len(rows)), key=lambda i: (-len(rows[i]), i)):
        if room < 1:
            batches.append([])
            room = max(budget // max(len(rows[number]), 1), 1)
        batches[-1].append(number)
        room -= 1
    return batches


def collate(rows: Sequence[Row], pad: int, device: torch.device) -> Batch:
    """Rows as tensors. A prompt has at least one token: the first that is predicted is predicted from something."""
    longest = max(len(row) for row in rows)
    first = min(len(row.prompt_ids) for row in rows)
    starts = [len(row.prompt_ids) - first for row in rows]
    ids = torch.full((len(rows), longest), pad)
    lengths = torch.tensor([len(row) for row in rows])
    begins = torch.tensor([len(row.prompt_ids) for row in rows])
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor([*row.prompt_ids, *row.completion_ids])
    places = torch.arange(longest)
    tokens = places < lengths[:, None]
    mask = (tokens & (places >= begins[:, None]))[:, first:].float()
    return Batch(ids.to(device), tokens.to(device), mask.to(device), starts)
