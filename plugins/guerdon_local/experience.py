"""What is learnt from: completions with their advantages, in batches of one optimizer step each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from guerdon_local.batches import Row
from guerdon_local.logprobs import Allowed
from guerdon_local.state import packed, unpacked


@dataclass(frozen=True)
class Experience(Row):
    """A completion, how much better it was than its group, and what it was sampled with."""

    advantage: float
    counted: bool
    """Whether its tokens count in the loss; a truncated one's may not."""
    sampled: Tensor
    """The sampler's log-probability of each completion token."""
    old: Tensor | None = None
    """The same, as the trainer's own pass before the first update has it; None: what it has at the update."""
    allowed: Allowed | None = None
    """The tokens that could be sampled at each place; None for all."""


@dataclass(frozen=True)
class Lesson:
    """The experience of one optimizer step, and what there is to say of how it was collected."""

    rows: Sequence[Experience]
    metrics: Mapping[str, float]


def plain(lessons: Sequence[Lesson]) -> dict[str, Any]:
    """Lessons as tensors and plain values, to be kept in a checkpoint."""
    rows = [row for lesson in lessons for row in lesson.rows]
    kept: dict[str, Any] = {
        "metrics": [dict(lesson.metrics) for lesson in lessons],
        "rows": [len(lesson.rows) for lesson in lessons],
        "advantages": [row.advantage for row in rows],
        "counted": [row.counted for row in rows],
    }
    if rows:
        kept["prompt_ids"] = packed([torch.tensor(row.prompt_ids, dtype=torch.int32) for row in rows])
        kept["completion_ids"] = packed([torch.tensor(row.completion_ids, dtype=torch.int32) for row in rows])
        kept["sampled"] = packed([row.sampled for row in rows])
        kept["measured"] = [row.old is not None for row in rows]
        kept["old"] = packed([torch.empty(0) if row.old is None else row.old for row in rows])
        kept["masked"] = [row.allowed is not None for row in rows]
        none = torch.empty(0, dtype=torch.int32)
        kept["allowed_ids"] = packed([row.allowed.ids if row.allowed else none for row in rows])
        kept["allowed_counts"] = packed([row.allowed.counts if row.allowed else none for row in rows])
    return kept


def lessons(kept: Mapping[str, Any]) -> list[Lesson]:
    """The reverse of `plain`."""
    rows = []
    if sum(kept["rows"]):
        columns = ("prompt_ids", "completion_ids", "sampled", "old", "allowed_ids", "allowed_counts")
        tensors = zip(*(unpacked(kept[name]) for name in columns), strict=True)
        facts = zip(kept["advantages"], kept["counted"], kept["measured"], kept["masked"], strict=True)
        for (prompt, completion, sampled, old, *allowed), (advantage, counted, measured, masked) in zip(
            tensors, facts, strict=True
        ):
            rows.append(
                Experience(
                    prompt.tolist(),
                    completion.tolist(),
                    advantage,
                    counted,
                    sampled,
                    old if measured else None,
                    Allowed(*allowed) if masked else None,
                )
            )
    found, begin = [], 0
    for count, metrics in zip(kept["rows"], kept["metrics"], strict=True):
        found.append(Lesson(rows[begin : begin + count], metrics))
        begin += count
    return found
