"""Rewards that misbehave when a completion tells them to. Imported by name in the workers."""

import asyncio
import os
from collections.abc import Sequence
from typing import Any, ClassVar

from misdeeds import misbehave

from guerdon import BadGroundTruth, Budget, GroupReward, Reward, Rollout, Score, Task, Unavailable, Verifier

SMALL = Budget(cpu_seconds=0.25, wall_seconds=1.2, memory_mb=256)


class Hostile(Verifier):
    """Does what the completion says; `ground_truth` "broken" fails always, "senseless" is one it cannot understand."""

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
    ground_truth_type: ClassVar[Any] = str

    async def verify(self, rollout: Rollout) -> Any:
        if rollout.task.ground_truth == "broken":
            raise KeyError("this truth has no key")
        if rollout.completion == "sleep":
            await asyncio.sleep(60)
        if rollout.completion == "cancel":
            raise asyncio.CancelledError
        if rollout.completion == "stubborn":
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass
        return misbehave(rollout.completion)


class Buggy(Verifier):
    """Fails on everything."""

    name: ClassVar[str] = "buggy"

    def verify(self, rollout: Rollout) -> float:
        return float({}["no such key"])


class BuggyInline(Buggy):
    """Fails on everything, here."""

    name: ClassVar[str] = "buggy-inline"
    isolation: ClassVar[Any] = "inline"


class Poisoned(Verifier):
    """A completion leaves something behind on which even the canonical one fails."""

    name: ClassVar[str] = "poisoned"
    budget: ClassVar[Budget] = SMALL
    left_behind: ClassVar[list[str]] = []

    def verify(self, rollout: Rollout) -> float:
        if rollout.completion == "poison":
            self.left_behind.append("poison")
        if self.left_behind:
            raise RuntimeError("poisoned")
        return 1.0

    def canonical(self, task: Task) -> str:
        return "right"


class OwnLoop(Verifier):
    """Uses a loop of its own on everything, as verifiers around async clients do."""

    name: ClassVar[str] = "own-loop"
    budget: ClassVar[Budget] = SMALL

    def verify(self, rollout: Rollout) -> float:
        value = asyncio.run(asyncio.sleep(0, 1.0))
        misbehave(rollout.completion)
        return value


class Echo(Verifier):
    """Says what it was given and by whom, so that a swapped result would show."""

    name: ClassVar[str] = "echo"
    budget: ClassVar[Budget] = SMALL

    def verify(self, rollout: Rollout) -> Score:
        word = rollout.completion.partition(" ")[0]
        if word in ("die", "hang", "nap", "raise", "fork-and-return", "child", "daemon", "killed"):
            misbehave({"die": "killed"}.get(word, word))
        return Score(float(len(rollout.completion)), rollout.completion, evidence={"pid": os.getpid()})


class Whole(Verifier):
    """Says everything that it was given."""

    name: ClassVar[str] = "whole"

    def verify(self, rollout: Rollout) -> Score:
        return Score(
            float(len(rollout.completion)), rollout.completion[-50:], evidence={"head": rollout.completion[:50]}
        )


class WholeInline(Whole):
    """The same, here."""

    name: ClassVar[str] = "whole-inline"
    isolation: ClassVar[Any] = "inline"


class Longest(GroupReward):
    """The share of the group's longest completion."""

    name: ClassVar[str] = "longest"
    budget: ClassVar[Budget] = SMALL

    def score_group(self, group: Sequence[Rollout]) -> Sequence[Score | float | bool]:
        if group[0].task.ground_truth == "broken":
            raise KeyError("this truth has no key")
        for rollout in group:
            misbehave(rollout.completion)
        if sum(rollout.completion == "half" for rollout in group) > 1:
            raise ValueError("two halves are too much")
        longest = max(len(rollout.completion) for rollout in group) or 1
        shares = [len(rollout.completion) / longest for rollout in group]
        return shares[1:] if any(rollout.completion == "short" for rollout in group) else shares


class LongestInline(Longest):
    """The same, here."""

    name: ClassVar[str] = "longest-inline"
    isolation: ClassVar[Any] = "inline"


class LyingSequence(Sequence[float]):
    """Says that it is longer than it is."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: Any) -> Any:
        if index == 0:
            return 1.0
        raise IndexError


class LyingGroup(GroupReward):
    """Returns fewer scores than their number."""

    name: ClassVar[str] = "lying-group"
    isolation: ClassVar[Any] = "inline"

    def score_group(self, group: Sequence[Rollout]) -> Sequence[float]:
        return LyingSequence()


class Resident(Reward):
    """Judges whole batches in one long-lived worker."""

    name: ClassVar[str] = "resident"
    isolation: ClassVar[Any] = "resident"
    budget: ClassVar[Budget] = SMALL

    async def score(self, rollouts: Sequence[Rollout]) -> list[Score]:
        for rollout in rollouts:
            if rollout.completion == "unavailable-once" and len(rollouts) == 1:
                raise Unavailable("the engine is away for this one")
            if rollout.completion == "unavailable-once":
                raise ValueError("a batch with this one fails")
            misbehave(rollout.completion)
        return [Score(1.0, f"{len(rollouts)} at once", evidence={"pid": os.getpid()}) for _ in rollouts]


class Unopenable(Verifier):
    """Cannot be opened."""

    name: ClassVar[str] = "unopenable"

    async def open(self) -> None:
        raise OSError("no such model: nowhere")

    def verify(self, rollout: Rollout) -> float:
        return 1.0


class UnopenableInline(Unopenable):
    """Cannot be opened here."""

    name: ClassVar[str] = "unopenable-inline"
    isolation: ClassVar[Any] = "inline"


class DiesWhenOpened(Unopenable):
    """Takes its worker with it."""

    name: ClassVar[str] = "dies-when-opened"

    async def open(self) -> None:
        os._exit(7)


class WithOptions(Verifier):
    """Has options that must reach its worker, however long they are."""

    name: ClassVar[str] = "with-options"
    words: tuple[str, ...] = ()

    def verify(self, rollout: Rollout) -> Score:
        return Score(float(len(self.words)), self.words[-1])


class Lives(Verifier):
    """Writes down when it is opened and closed."""

    name: ClassVar[str] = "lives"
    diary: str

    async def open(self) -> None:
        self._note("open")

    async def close(self) -> None:
        self._note("close")

    def verify(self, rollout: Rollout) -> float:
        return 1.0

    def _note(self, what: str) -> None:
        with open(self.diary, "a") as file:
            file.write(f"{what} {os.getpid()}\n")
