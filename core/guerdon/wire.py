"""What goes to a worker and what comes back: JSON lines, so that nothing from a worker is ever unpickled."""

import json
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from guerdon.errors import BadGroundTruth, Unavailable
from guerdon.types import Outcome, Rollout, Score, Task

LONGEST_REASON = 2000
"""Characters. A reason is for people; what is longer belongs into the evidence."""
DEEPEST_TRACEBACK = 20
"""Calls. The last ones tell."""


@dataclass(frozen=True)
class Unit:
    """What is judged at once: one rollout, one group, or a batch.

    In a control the rollouts' own completions do not count: canonical ones take their place, or empty ones.
    """

    rollouts: Sequence[Rollout]
    control: bool = False


@dataclass(frozen=True)
class Failure:
    """Why a judging gave no scores. `cause` is one of the constants below."""

    cause: str
    what: str
    traceback: str = ""


RAISED = "raised"
CRASHED = "crashed"
CPU_TIME = "cpu time"
WALL_TIME = "wall-clock time"
MEMORY = "memory"
BAD_GROUND_TRUTH = "bad ground truth"
UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Verdict:
    """What came of one judging. `scores` is None where it failed and nobody has settled the blame yet.

    A failure beside scores is the verifier's own: all of those are abstentions. Times are wall-clock seconds.
    """

    scores: list[Score] | None
    failure: Failure | None
    seconds: float
    queued_seconds: float = 0.0


def failure_of(error: BaseException) -> Failure:
    """What an exception says of the judging that it ended."""
    name = type(error).__name__
    try:
        said = shortened(str(error))
    except Exception:
        said = "(it cannot say what)"
    what = f"{name}: {said}" if said else name
    trace = "".join(
        shortened(line, 2 * LONGEST_REASON) for line in traceback.format_exception(error, limit=-DEEPEST_TRACEBACK)
    )
    if isinstance(error, BadGroundTruth):
        return Failure(BAD_GROUND_TRUTH, said or name, trace)
    if isinstance(error, Unavailable):
        return Failure(UNAVAILABLE, said or name, trace)
    if isinstance(error, MemoryError):
        return Failure(MEMORY, what, trace)
    return Failure(RAISED, what, trace)


def shortened(text: str, longest: int = LONGEST_REASON) -> str:
    """A text that a person will read to its end."""
    return text if len(text) <= longest else text[:longest] + " …"


def dump(value: Any) -> bytes:
    """One JSON line; what is no JSON raises TypeError. Surrogates stay as they are: two escaped ones would be one."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n"


def from_unit(unit: Unit) -> dict[str, Any]:
    """A unit as a JSON object."""
    return {"rollouts": [_from_rollout(rollout) for rollout in unit.rollouts], "control": unit.control}


def to_unit(plain: Mapping[str, Any]) -> Unit:
    """A unit from its JSON object."""
    return Unit([_to_rollout(one) for one in plain["rollouts"]], plain["control"])


def _from_rollout(rollout: Rollout) -> dict[str, Any]:
    return {name: value for name, value in vars(rollout).items() if name != "_parts"} | {"task": vars(rollout.task)}


def _to_rollout(plain: Mapping[str, Any]) -> Rollout:
    return Rollout(**{**plain, "task": Task(**plain["task"])})


def from_scores(scores: Sequence[Score], seconds: float) -> dict[str, Any]:
    """Scores as a JSON object."""
    return {"scores": [[s.value, s.reason, s.outcome, dict(s.evidence)] for s in scores], "seconds": seconds}


def from_failure(failure: Failure, seconds: float) -> dict[str, Any]:
    """A failure as a JSON object."""
    return {"failure": asdict(failure), "seconds": seconds}


def to_verdict(plain: Mapping[str, Any]) -> Verdict:
    """The verdict that a worker sent."""
    if "failure" in plain:
        return Verdict(None, Failure(**plain["failure"]), plain["seconds"])
    scores = [Score(value, reason, Outcome(outcome), evidence) for value, reason, outcome, evidence in plain["scores"]]
    return Verdict(scores, None, plain["seconds"])
