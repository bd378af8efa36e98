"""What an evaluation came to, for a person."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from guerdon.cli.terminal import counted, printable, shortened, table
from guerdon.types import Outcome

if TYPE_CHECKING:
    from rich.console import Console

    from guerdon.report import Report
    from guerdon.totals import Total

LONGEST_REASON = 200
"""Characters."""


def show(to: "Console", report: "Report") -> None:
    """Print the numbers, how the tasks divide, and why some samples have no score."""
    metrics = report.metrics()
    listed = table(to, "metric", "value", "95 % interval", numbers=("value",))
    for name, value in metrics.items():
        if name.endswith(("/low", "/high")) or name == "unscored":
            continue
        low, high = metrics.get(f"{name}/low"), metrics.get(f"{name}/high")
        between = f"{low:.3f} to {high:.3f}" if low is not None and high is not None else ""
        listed.add_row(printable(name), f"{value:.1f}" if name == "mean_length" else f"{value:.3f}", between)
    to.print(listed)
    to.print(_divided(report))
    for line in _unscored(report):
        to.print(line)


def _divided(report: "Report") -> str:
    always = sum(result.correct == result.scored for result in report.judged)
    never = sum(result.correct == 0 for result in report.judged)
    said = f"{counted(len(report.results), 'task')}: {always:,} solved every time, {never:,} never"
    between = len(report.judged) - always - never
    return f"{said}, {between:,} now and then" if report.k > 1 else said


def _unscored(report: "Report") -> Iterator[str]:
    reasons = Counter(
        _why(total)
        for result in report.results
        for total, right in zip(result.totals, result.right, strict=True)
        if right is None
    )
    if reasons:
        (reason, _), *_ = reasons.most_common(1)
        most = shortened(reason, LONGEST_REASON)
        yield f"{counted(reasons.total(), 'completion')} without a score left out, most often: {most}"


def _why(total: "Total") -> str:
    lacking = (
        term.score.reason
        for term in total.terms.values()
        if term.score.value is None and term.score.outcome is not Outcome.NOT_APPLICABLE
    )
    return next(lacking, total.reason)
