"""Rewards for test_fairness.py. A module of its own, so that workers can import them."""

import os
import time
from typing import Any, ClassVar

from guerdon import Budget, Outcome, Rollout, Score, Task, Verifier


class Clocked(Verifier):
    """Says when it began and ended, by a clock that all processes share."""

    name: ClassVar[str] = "clocked"

    def verify(self, rollout: Rollout) -> Score:
        began = time.monotonic()
        time.sleep(0.1)
        return Score(1.0, "slept", evidence={"began": began, "ended": time.monotonic()})


class AwayForControls(Verifier):
    """Fails on the completion, and finds its endpoint away when it is asked for a control."""

    name: ClassVar[str] = "away-for-controls"

    def verify(self, rollout: Rollout) -> Score:
        if rollout.completion:
            raise ConnectionError("connection refused")
        return Score(None, "the endpoint is away", Outcome.UNAVAILABLE)


class CanonicalForSome(Verifier):
    """Cannot take "bad"; has a canonical completion only where the ground truth is one."""

    name: ClassVar[str] = "canonical-for-some"

    def verify(self, rollout: Rollout) -> float:
        if rollout.completion == "bad":
            raise ValueError("bad")
        return 1.0

    def canonical(self, task: Task) -> str | None:
        return task.ground_truth if isinstance(task.ground_truth, str) else None


class AsyncResident(Verifier):
    """Written with `async def`, and resident all the same."""

    name: ClassVar[str] = "async-resident"
    isolation: ClassVar[Any] = "resident"
    budget: ClassVar[Budget] = Budget()

    async def verify(self, rollout: Rollout) -> Score:
        return Score(1.0, "here", evidence={"pid": os.getpid()})
