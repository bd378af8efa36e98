"""Rewards that misbehave when a completion tells them to. Imported by name in the workers."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from guerdon import BadGroundTruth, Budget, GroupReward, Reward, Rollout, Score, Task, Unavailable, Verifier

SMALL = Budget(cpu_seconds=0.25, wall_seconds=1.2, memory_mb=256)


class Liar:
    """Equal to everything, a number of no fixed value, and of a class that is not its own."""

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __float__(self) -> float:
        return 1.0

    def __lt__(self, other: object) -> bool:
        return False

    @property
    def __class__(self) -> Any:  # type: ignore[override]
        return Score

    value = 1.0
    reason = "trust me"
    outcome = "scored, honestly"
    evidence: ClassVar[dict[str, Any]] = {}


class Mute(Exception):
    """Cannot even say what is wrong."""

    def __str__(self) -> str:
        raise RuntimeError("no comment")


def forged(**fields: Any) -> Score:
    """A score that never went through its own checks."""
    score = Score(0.5, "forged")
    for name, value in fields.items():
        object.__setattr__(score, name, value)
    return score


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


NONSENSE: dict[str, Callable[[], Any]] = {
    "nan": lambda: float("nan"),
    "inf": lambda: float("-inf"),
    "huge": lambda: 10**400,
    "complex": lambda: 1j,
    "none": lambda: None,
    "text": lambda: "1.0",
    "liar": Liar,
    "forged-nan": lambda: forged(value=float("nan")),
    "forged-reason": lambda: forged(reason=["not", "text"]),
    "forged-outcome": lambda: forged(value=None, outcome="scored"),
    "not-applicable": lambda: forged(value=None, outcome="not_applicable"),
    "no-json": lambda: Score(1.0, "look", evidence={"set": {1, 2}}),
    "long-reason": lambda: Score(1.0, "r" * 3_000_000),
    "long-evidence": lambda: Score(1.0, "look", evidence={"all of it": "e" * 3_000_000}),
}
"""What is returned in place of a score."""


def misbehave(word: str) -> Any:
    """What the completion asks for, as a verifier with that bug would do it."""
    end(word)
    fail(word)
    if word in NONSENSE:
        return NONSENSE[word]()
    if word == "deep-json":
        sys.setrecursionlimit(100_000)
        return Score(1.0, "look", evidence={"deep": nested(3_000)})
    if leave_traces(word):
        return 1.0
    return 1.0 if word == "right" else 0.0


def end(word: str) -> None:
    """Use up a budget, or end the process."""
    if word == "hang":
        pow(7, 10**9)  # one C call that holds the GIL
    if word == "spin":
        while True:
            pass
    if word in ("sleep", "masked", "child"):
        if word == "masked":
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            signal.signal(signal.SIGPROF, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGPROF})
        if word == "child":
            subprocess.Popen(["sleep", "1000"])
            subprocess.Popen(["sh", "-c", "sleep 1001 & sleep 1002 & wait"], start_new_session=True)
        time.sleep(60)
    if word == "nap":
        time.sleep(0.5)
    if word == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "exit":
        sys.exit(3)
    if word == "os-exit":
        os._exit(0)
    if word == "memory":
        len("x" * (4 << 30))
    if word == "memory-slowly":
        hoard = []
        while True:
            hoard.append(bytearray(1 << 20))


def fail(word: str) -> None:
    """Raise something."""
    if word == "raise":
        raise ValueError("I cannot take this")
    if word == "raise-long":
        raise ValueError("x" * 5_000_000)
    if word == "raise-mute":
        raise Mute
    if word == "raise-surrogate":
        raise ValueError("\ud800\x00")
    if word == "interrupt":
        raise KeyboardInterrupt
    if word == "generator-exit":
        raise GeneratorExit
    if word == "bad-truth":
        raise BadGroundTruth("so says a verifier that confuses the completion with the truth")
    if word == "unavailable":
        raise Unavailable("the engine is away")
    if word == "deep":
        misbehave_deeply(0)


def leave_traces(word: str) -> bool:
    """Do what nobody should do in somebody else's process. Returns whether that was asked for."""
    if word == "alarm":  # what signal-based timeouts of verifiers do, and leave behind
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.signal(signal.SIGPROF, signal.SIG_IGN)
        signal.alarm(5)
        signal.alarm(0)
    elif word == "close-all":
        os.closerange(3, 100)
    elif word == "fork-and-return":
        os.fork()
    elif word == "print":
        print("this must not be in anybody's output")
        os.write(1, b"this must not be in anybody's output\n")
    elif word == "chdir":
        os.chdir("/")
    elif word == "threads":
        for _ in range(3):
            threading.Thread(target=time.sleep, args=(1000,)).start()
    elif word == "own-loop":
        asyncio.run(asyncio.sleep(0, 1.0))
    elif word == "daemon":
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                os.execvp("sleep", ["sleep", "1003"])
            os._exit(0)
        os.wait()
    else:
        return False
    return True


def misbehave_deeply(depth: int) -> None:
    misbehave_deeply(depth + 1)


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
