"""Which comparisons become preference pairs: clear ones, that as a whole do not teach that longer is better."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guerdon.types import Task

MARGIN = 1.0
"""By how much the mean marks of a pair must differ at least, on the judge's own scale; DeepSeek-R1's (arXiv
2501.12948v2, section 3.1, helpful reward model), whose scale is not published."""
LENGTH_BOUND = 0.05
"""How far the mean length of chosen answers may lie from that of rejected ones, as a share of the mean of both."""


@dataclass(frozen=True)
class Pair:
    """Two completions of a task as the judge saw them, the better one first."""

    task: Task
    chosen: str
    rejected: str
    difference: float
    """By how much the mean marks differ, 0 or more."""
    judgments: Sequence[Mapping[str, Any]]
    """What was said, as seen from the chosen one."""

    @property
    def lengths(self) -> tuple[int, int]:
        """Characters of the two."""
        return len(self.chosen), len(self.rejected)

    def row(self) -> dict[str, Any]:
        """The pair as the trainer `preference` reads it, and why it is one."""
        chosen, rejected = self.lengths
        return {
            "id": self.task.id,
            "prompt": self.task.prompt,
            "chosen": self.chosen,
            "rejected": self.rejected,
            "domain": self.task.domain,
            "difference": self.difference,
            "lengths": {"chosen": chosen, "rejected": rejected},
            "judgments": list(self.judgments),
        }


def balanced(pairs: Sequence[Pair]) -> list[Pair]:
    """The pairs, in order, without those that would teach that longer (or shorter) is better.

    As long as the mean length of chosen answers differs from that of rejected ones by more than `LENGTH_BOUND` of the
    mean of both, the pair is left out whose own difference is nearest to the sum of all differences, among those of
    its sign: the one with which most of it goes, and nothing is overdone.
    """
    kept = sorted((pair.lengths[0] - pair.lengths[1], number) for number, pair in enumerate(pairs))
    surplus = sum(difference for difference, _ in kept)
    lengths = sum(sum(pair.lengths) / 2 for pair in pairs)
    while abs(surplus) > LENGTH_BOUND * lengths:
        place = bisect_left(kept, (surplus, 0))
        # One that differs the other way, or not at all, makes nothing better.
        near = [one for one in (place - 1, place) if 0 <= one < len(kept) and kept[one][0] * surplus > 0]
        difference, number = kept.pop(min(near, key=lambda one: abs(kept[one][0] - surplus)))
        surplus -= difference
        lengths -= sum(pairs[number].lengths) / 2
    return [pairs[number] for number in sorted(number for _, number in kept)]
