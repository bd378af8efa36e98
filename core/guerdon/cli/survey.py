"""A first look at a whole file of rollouts, so that every mistake in it is named before anything runs."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from guerdon.cli.output import OURS
from guerdon.cli.routing import idle_terms
from guerdon.cli.terminal import counted
from guerdon.columns import Columns
from guerdon.errors import DataError
from guerdon.mixture import Mixture
from guerdon.plugs import GroupReward
from guerdon.scoring import read_rollouts

SHOWN = 10
"""Mistakes in bad lines that are named."""
SEEN_AT_ONCE = 100


@dataclass
class Survey:
    """What is in a file."""

    rollouts: int = 0
    bad: int = 0
    first_bad: dict[tuple[str, str], tuple[DataError, int]] = field(default_factory=dict)
    """By what is wrong: the first line, and how many there are."""
    domains: set[str | None] = field(default_factory=set)
    last_of_group: dict[str, int] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)
    """Columns of the file that scoring writes itself."""

    def note_bad(self, error: DataError) -> None:
        """Count a line that is no rollout."""
        self.bad += 1
        mistake = error.what, error.way_out
        first, count = self.first_bad.get(mistake, (error, 0))
        if count or len(self.first_bad) < SHOWN:
            self.first_bad[mistake] = first, count + 1

    def bad_lines(self) -> str:
        """The bad lines, named."""
        shown = []
        for first, count in self.first_bad.values():
            shown.append(str(first))
            if count > 1:
                shown.append(f"  and {counted(count - 1, 'more line')} like it")
        left = self.bad - sum(count for _, count in self.first_bad.values())
        if left:
            shown.append(f"… and {left:,} more")
        return "\n  ".join(shown)


def look_over(
    path: Path, columns: Columns, mixture: Mixture, skip_bad_lines: bool, seen: Callable[[int], None]
) -> Survey:
    """Read the whole file once; `seen` is told how many rollouts there were, now and then.

    Raises DataError for bad lines that are not to be skipped, for rollouts whose domain no weighted term covers, and
    where a reward that compares rollouts finds no groups.
    """
    survey = Survey()
    uncovered: Counter[str | None] = Counter()
    first_uncovered: dict[str | None, int] = {}
    without_group: list[int] = []
    for one in read_rollouts(path, columns, survey.note_bad):
        survey.rollouts += 1
        if survey.rollouts % SEEN_AT_ONCE == 0:
            seen(SEEN_AT_ONCE)
        if survey.rollouts == 1:
            survey.replaced = [name for name in OURS if name in one.row]
        domain = one.rollout.task.domain
        survey.domains.add(domain)
        if not mixture.covers(domain):
            uncovered[domain] += 1
            first_uncovered.setdefault(domain, one.line)
        if mixture.needs_groups:
            if one.group is None:
                without_group.append(one.line)
            else:
                survey.last_of_group[one.group] = one.line
    if survey.bad and not (skip_bad_lines and survey.rollouts):
        noun = "line is no rollout" if survey.bad == 1 else "lines are no rollouts"
        way_out = "leave them out with --skip-bad-lines" if survey.rollouts else "none is left to be scored"
        raise DataError(str(path), f"{survey.bad:,} {noun}; {way_out}\n  {survey.bad_lines()}")
    if without_group:
        what = f"{counted(len(without_group), 'rollout')} without a `group` (the first in line {without_group[0]})"
        names = ", rewards.".join(term.name for term in mixture.terms if isinstance(term.reward, GroupReward))
        way_out = "name the column with --map group=COLUMN"
        raise DataError(str(path), f"{what}, and rewards.{names} compares the rollouts of a group", way_out)
    if uncovered:
        raise DataError(
            str(path),
            "; ".join(
                f"no weighted term covers the {counted(count, 'rollout')} "
                f"{'without a domain' if domain is None else f'of domain {domain!r}'} "
                f"(the first in line {first_uncovered[domain]})"
                for domain, count in uncovered.items()
            ),
            "\n  ".join(
                [
                    "add a term for them, or leave `domains` out of one that fits all",
                    *idle_terms(mixture.terms, survey.domains, "rollout"),
                ]
            ),
        )
    return survey
