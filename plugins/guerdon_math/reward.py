"""The reward for mathematics: the answer in the last box, compared exactly with the ground truth."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from guerdon import BadGroundTruth, Budget, Rollout, Score, Task, Verifier
from guerdon_math.boxed import last_boxed

_SHOWN = 80
_MAX_GOLD = 100_000


class BoxedMath(Verifier):
    """Pays 1 for a final `\\boxed{}` that equals the ground truth exactly, 0 for anything else.

    Only the answer part is read, never the thinking part. The last box counts; neighbouring boxes joined by a comma,
    "and" or "or" are one list, so `\\boxed{1} or \\boxed{2}` is not 2. An empty or unfinished last box earns 0.

    The ground truth may be LaTeX or plain text, with or without `$`, a whole solution that ends in `\\boxed{}` or
    in `#### 72`, or a number. A decimal that only rounds to it is not equal to it. A unit may be left out or
    converted, not contradicted; 50 is taken for 50%, 5% is not taken for 5; a list may come in any order, a tuple may
    not; `x = 5` is 5 but not `y = 5`. What cannot be decided within a fixed amount of work earns 0, and says so.
    """

    name: ClassVar[str] = "boxed-math"
    needs: ClassVar[Mapping[str, str]] = {"mpmath": "pip install 'guerdon[math]'"}
    budget: ClassVar[Budget] = Budget(cpu_seconds=0.7, wall_seconds=3.0, memory_mb=1024)
    preload: ClassVar[tuple[str, ...]] = ("guerdon_math.judge",)
    ground_truth_type: ClassVar[Any] = str | int | float

    def verify(self, rollout: Rollout) -> Score:
        from guerdon_math.judge import judge  # a tenth of a second, paid by the worker

        gold = reference(rollout.task.ground_truth)
        found = last_boxed(rollout.answer)
        if found.content is None:
            return Score(0.0, found.problem, evidence={"ground_truth": _short(gold)})
        verdict = judge(gold, found.content)
        relation = "equals" if verdict.equal else "is not"
        reason = f"{_short(found.content)} {relation} {_short(gold)}: {_short(verdict.how)}"
        evidence = {"extracted": _short(found.content), "ground_truth": _short(gold), "how": _short(verdict.how)}
        return Score(float(verdict.equal), reason, evidence=evidence)

    def canonical(self, task: Task) -> str:
        """The ground truth in a box."""
        return f"\\boxed{{{reference(task.ground_truth)}}}"


def reference(ground_truth: str | int | float) -> str:
    """The answer that a ground truth holds: what its last box holds, what follows `####`, else all of it.

    Raises:
        BadGroundTruth: it holds none, or one that nothing could equal.
    """
    if isinstance(ground_truth, float) and not math.isfinite(ground_truth):
        raise BadGroundTruth(f"the ground truth is {ground_truth}, which is no number")
    text = str(ground_truth).strip()
    if len(text) > _MAX_GOLD:
        raise BadGroundTruth(f"the ground truth is {len(text):,} characters long")
    if "\\boxed" in text or "\\fbox" in text:
        text = last_boxed(text).content or ""
    elif "####" in text:
        text = text.rpartition("####")[2].strip()
    if not any(c.isalnum() for c in text) and not _names_something(text):
        raise BadGroundTruth("the ground truth is empty" if not text else f"{text[:_SHOWN]!r} is no answer")
    if last_boxed(f"\\boxed{{{text}}}").content is None:
        raise BadGroundTruth(f"the braces of {text[:_SHOWN]!r} do not match")
    return text


def _names_something(text: str) -> bool:
    """Whether symbols alone are an answer: the empty set, (-∞, ∞), a sign of comparison."""
    return "∞" in text or text in ("∅", r"\{\}", "{}", "°", *"<>=≤≥≠＜＞＝")


def _short(text: str) -> str:
    """At most 80 characters on one line."""
    line = " ".join(text[: 4 * _SHOWN].split())
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
