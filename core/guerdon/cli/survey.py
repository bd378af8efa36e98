"""A first look at a whole file of rollouts, so that every mistake in it is named before anything runs."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from guerdon.columns import Columns
from guerdon.errors import DataError
from guerdon.mixture import Mixture
from guerdon.plugs import GroupReward
from guerdon.scoring import read_rollouts

SHOWN = 10
"""Bad lines that are named one by one."""
OURS = ("score", "outcome", "reason", "terms")
"""The columns that scoring writes."""


@dataclass
class Survey:
    """What is in a file."""

    rollouts: int = 0
    bad: int = 0
    first_bad: list[DataError] = field(default_factory=list)
    last_of_group: dict[str, int] = field(default_factory=dict)
    replaced: list[str] = field(default_factory=list)
    """Columns of the file that scoring writes itself."""

    def note_bad(self, error: DataError) -> None:
        """Count a line that is no rollout."""
        self.bad += 1
        if self.bad <= SHOWN:
            self.first_bad.append(error)

    def bad_lines(self) -> str:
        """The bad lines, named."""
        shown = "\n  ".join(map(str, self.first_bad))
        return shown + (f"\n  … and {self.bad - SHOWN:,} more" if self.bad > SHOWN else "")


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
        if survey.rollouts % 1000 == 0:
            seen(1000)
        if survey.rollouts == 1:
            survey.replaced = [name for name in OURS if name in one.row]
        domain = one.rollout.task.domain
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
        what = f"{len(without_group):,} rollouts have no `group` (the first in line {without_group[0]})"
        names = ", rewards.".join(term.name for term in mixture.terms if isinstance(term.reward, GroupReward))
        way_out = "name the column with --map group=COLUMN"
        raise DataError(str(path), f"{what}, and rewards.{names} compares the rollouts of a group", way_out)
    if uncovered:
        raise DataError(
            str(path),
            "; ".join(
                f"no weighted term covers the {count:,} rollouts "
                f"{'without a domain' if domain is None else f'of domain {domain!r}'} "
                f"(the first in line {first_uncovered[domain]})"
                for domain, count in uncovered.items()
            ),
            "add a term for them, or leave `domains` out of one that fits all",
        )
    return survey
