"""Rewards that misbehave when a completion tells them to. Imported by name in the workers."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from guerdon import BadGroundTruth, Budget, GroupReward, Reward, Rollout, Score, Task, Unavailable, Verifier

SMALL = Budget(cpu_seconds=0.3, wall_seconds=1.5, memory_mb=256)


def misbehave(word: str) -> Any:
    """What the completion asks for, as a verifier with that bug would do it."""
    if word == "hang":
        return 7 ** 10**9  # one C call that holds the GIL
    if word == "sleep":
        time.sleep(60)
    if word == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "exit":
        sys.exit(3)
    if word == "os-exit":
        os._exit(0)
    if word == "memory":
        return len("x" * (4 << 30))
    if word == "raise":
        raise ValueError("I cannot take this")
    if word == "nan":
        return float("nan")
    if word == "none":
        return None
    if word == "unavailable":
        raise Unavailable("the engine is away")
    if word == "child":
        subprocess.Popen(["sleep", "1000"])
        subprocess.Popen(["sleep", "1001"], start_new_session=True)
        time.sleep(60)
    if word == "masked":
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.signal(signal.SIGPROF, signal.SIG_IGN)
        time.sleep(60)
    if word == "deep":
        return misbehave_deeply(0)
    return 1.0 if word == "right" else 0.0


def misbehave_deeply(depth: int) -> int:
    return misbehave_deeply(depth + 1)


class Hostile(Verifier):
    """Does what the completion says; `ground_truth` "broken" fails always, "typed" must be a string."""

    name: ClassVar[str] = "hostile"
    budget: ClassVar[Budget] = SMALL
    ground_truth_type: ClassVar[Any] = str

    def verify(self, rollout: Rollout) -> Any:
        if rollout.task.ground_truth == "broken":
            raise KeyError("this truth has no key")
        if rollout.task.ground_truth == "senseless":
            raise BadGroundTruth("no sense can be made of 'senseless'")
        return misbehave(rollout.completion)


class HostileWithCanonical(Hostile):
    """The same, and offers a canonical completion."""

    name: ClassVar[str] = "hostile-canonical"

    def canonical(self, task: Task) -> str:
        return "right" if task.ground_truth != "wrong" else "not right"


class HostileInline(HostileWithCanonical):
    """The same, in this process."""

    name: ClassVar[str] = "hostile-inline"
    isolation: ClassVar[Any] = "inline"


class HostileAsync(Verifier):
    """The same on the loop."""

    name: ClassVar[str] = "hostile-async"
    budget: ClassVar[Budget] = Budget(wall_seconds=0.3)
    concurrency: ClassVar[int] = 4

    async def verify(self, rollout: Rollout) -> Any:
        if rollout.completion == "sleep":
            await asyncio.sleep(60)
        if rollout.completion == "cancel":
            raise asyncio.CancelledError
        return misbehave(rollout.completion)


class Echo(Verifier):
    """Says what it was given and by whom, so that a swapped result would show."""

    name: ClassVar[str] = "echo"
    budget: ClassVar[Budget] = SMALL

    def verify(self, rollout: Rollout) -> Score:
        if rollout.completion.startswith("die"):
            os.kill(os.getpid(), signal.SIGKILL)
        if rollout.completion.startswith("hang"):
            misbehave("hang")
        return Score(float(len(rollout.completion)), rollout.completion, evidence={"pid": os.getpid()})


class Longest(GroupReward):
    """The share of the group's longest completion."""

    name: ClassVar[str] = "longest"
    budget: ClassVar[Budget] = SMALL

    def score_group(self, group: Sequence[Rollout]) -> Sequence[Score | float | bool]:
        for rollout in group:
            misbehave(rollout.completion)
        longest = max(len(rollout.completion) for rollout in group) or 1
        if group[0].completion == "short":
            return [1.0]
        return [len(rollout.completion) / longest for rollout in group]


class Resident(Reward):
    """Judges whole batches in one long-lived worker."""

    name: ClassVar[str] = "resident"
    isolation: ClassVar[Any] = "resident"
    budget: ClassVar[Budget] = SMALL

    async def score(self, rollouts: Sequence[Rollout]) -> list[Score]:
        for rollout in rollouts:
            misbehave(rollout.completion)
        return [Score(1.0, f"{len(rollouts)} at once", evidence={"pid": os.getpid()}) for _ in rollouts]


class Unopenable(Verifier):
    """Cannot be opened."""

    name: ClassVar[str] = "unopenable"

    async def open(self) -> None:
        raise OSError("no such model: nowhere")

    def verify(self, rollout: Rollout) -> float:
        return 1.0
