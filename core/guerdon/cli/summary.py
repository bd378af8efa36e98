"""What a scoring came to: per term, in total, and per group."""

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from rich.console import Console
from rich.table import Table

from guerdon.cli.terminal import NARROW, counted, printable, shortened, table
from guerdon.types import Outcome

LONGEST_REASON = 200
"""Characters."""
MOST_REASONS = 1000
"""Different ones that are counted: every rollout may have a reason of its own."""


@dataclass
class Column:
    """One term's scores, or the totals."""

    outcomes: Counter[str] = field(default_factory=Counter)
    sum: float = 0.0
    seconds: "array[float]" = field(default_factory=lambda: array("d"))
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By outcome, why there is no score."""
    cheats: int = 0
    """Completions that were caught at being paid for something else than solving the task."""

    def add(self, value: float | None, outcome: str, reason: str, seconds: float | None = None) -> None:
        """Count one score."""
        self.outcomes[outcome] += 1
        self.sum += value or 0.0
        if outcome not in (Outcome.SCORED, Outcome.NOT_APPLICABLE):
            why = outcome, shortened(reason, LONGEST_REASON)
            if why in self.reasons or len(self.reasons) < MOST_REASONS:
                self.reasons[why] += 1
        if seconds is not None and outcome != Outcome.NOT_APPLICABLE:
            self.seconds.append(seconds)

    def most_often(self, outcome: str) -> str:
        """The most frequent reason for an outcome without a score."""
        counts = {reason: count for (one, reason), count in self.reasons.items() if one == outcome}
        return max(counts, key=counts.__getitem__, default="(many reasons)")

    @property
    def mean(self) -> str:
        """The mean over what has a score."""
        scored = self.outcomes[Outcome.SCORED]
        return f"{self.sum / scored:.4g}" if scored else "–"


@dataclass
class Group:
    """The totals of one group."""

    scored: int = 0
    lowest: float = math.inf
    highest: float = -math.inf


class Tally:
    """Counts verdicts as `guerdon.ledger.verdict` gives them, in a few bytes each."""

    def __init__(self, terms: Iterable[str]) -> None:
        self.terms = {name: Column() for name in terms}
        self.total = Column()
        self.groups: dict[str, Group] = {}

    def add(self, verdict: Mapping[str, Any], group: str | None) -> None:
        """Count one rollout."""
        for name, term in verdict["terms"].items():
            self.terms[name].add(term["value"], term["outcome"], term["reason"], term["seconds"])
            if "cheat" in term["evidence"]:
                self.terms[name].cheats += 1
        value = verdict["score"]
        self.total.add(value, verdict["outcome"], verdict["reason"])
        if group is not None:
            one = self.groups.setdefault(group, Group())
            if value is not None:
                one.scored += 1
                one.lowest, one.highest = min(one.lowest, value), max(one.highest, value)

    def show(self, to: Console) -> None:
        """Print it: a table with the outcomes that occurred, why some have no score, and a line about the groups."""
        columns = [*self.terms.values(), self.total]
        others = [one for one in list(Outcome)[1:] if any(column.outcomes[one] for column in columns)]
        to.print(f"{counted(self.total.outcomes.total(), 'rollout')}; means are over those that are scored")
        if to.width < NARROW and len(others) > 1:
            to.print(self._table(to, [Outcome.SCORED], with_numbers=True))
            to.print()
            to.print(self._table(to, others, with_numbers=False))
        else:
            to.print(self._table(to, [Outcome.SCORED, *others], with_numbers=True))
        for line in self._without_score(others):
            to.print(line)
        for name, column in self.terms.items():
            if column.cheats:
                to.print(
                    f"{printable(name)}: {counted(column.cheats, 'cheat')} found out; `explain` shows the evidence"
                )
        if self.groups:
            to.print(self._of_groups())

    def _table(self, to: Console, outcomes: Sequence[Outcome], with_numbers: bool) -> Table:
        before, after = (["mean"], ["mean ms", "p95 ms"]) if with_numbers else ([], [])
        numbers = (*before, *outcomes, *after)
        made = table(to, "term", *numbers, numbers=numbers)
        for name, column in [*self.terms.items(), ("total", self.total)]:
            counts = [f"{column.outcomes[one]:,}" for one in outcomes]
            cells = [column.mean, *counts, *_times(column.seconds)] if with_numbers else counts
            made.add_row(printable(name), *cells)
        return made

    def _without_score(self, outcomes: Sequence[Outcome]) -> Iterator[str]:
        for outcome in outcomes:
            if outcome is Outcome.NOT_APPLICABLE:
                continue
            terms = [(name, column) for name, column in self.terms.items() if column.outcomes[outcome]]
            for name, column in terms or [("total", self.total)]:
                count = column.outcomes[outcome]
                yield f"{printable(name)}: {count:,} {outcome}, most often: {column.most_often(outcome)}"

    def _of_groups(self) -> str:
        comparable = [group for group in self.groups.values() if group.scored >= 2]
        # Not by a zero deviation: rounding makes one of a constant group.
        flat = sum(group.highest == group.lowest for group in comparable)
        share = f"{flat / len(comparable):.4g}" if comparable else "–"
        few = len(self.groups) - len(comparable)
        return (
            f"{counted(len(self.groups), 'group')}; frac_reward_zero_std {share} "
            f"({flat:,} of {len(comparable):,} with two scores or more); {few:,} with fewer than two scores"
        )


def _times(seconds: "array[float]") -> tuple[str, str]:
    if not seconds:
        return "", ""
    ordered = sorted(seconds)
    return _milliseconds(fmean(ordered)), _milliseconds(ordered[math.ceil(0.95 * len(ordered)) - 1])


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.0f}" if seconds >= 0.1 else f"{seconds * 1e3:.3g}"
