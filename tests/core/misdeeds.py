"""What a verifier can do wrong while it judges. Rewards that do it are in `hostile`."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, ClassVar

from guerdon import BadGroundTruth, Score, Unavailable


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
            hoard.append(bytes(1 << 20))  # which takes room and next to no time


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
