"""Many verdicts, one number and what is told of it."""

from collections.abc import Iterable, Sequence
from statistics import fmean, median
from typing import Any, Literal

from guerdon_judge.judging import Verdict

Vote = Literal["mean", "median", "majority"]


def voted(vote: Vote, values: Sequence[float]) -> float:
    """What judges who give these values, each from 0 to 1, come to together."""
    if vote == "mean":
        return fmean(values)
    if vote == "median":
        return float(median(values))
    lead = sum((value > 0.5) - (value < 0.5) for value in values)
    return 0.5 if lead == 0 else float(lead > 0)


def spent_on(verdicts: Iterable[Verdict]) -> dict[str, Any]:
    """What they have cost together; those from a cache cost nothing again."""
    spent = [verdict.spent for verdict in verdicts]
    return {
        "requests": sum(one.requests for one in spent),
        "prompt_tokens": sum(one.prompt_tokens for one in spent),
        "completion_tokens": sum(one.completion_tokens for one in spent),
        "cost": sum(one.cost for one in spent),
    }


def told(verdict: Verdict) -> dict[str, Any]:
    """A verdict, as evidence."""
    if verdict.failure is not None:
        return {"failure": verdict.kind, "what": verdict.failure}
    return {"marks": {name: {"mark": one.mark, "reason": one.reason} for name, one in verdict.marks.items()}}
