"""Rollouts to ask with, and whether the answers are the right ones."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from processes import below

from guerdon import Rollout, Task, Total

TASK = Task("t", "a prompt", "fine")


def rollouts(completions: Sequence[str]) -> list[Rollout]:
    """Each of a task of its own, or equal ones would be judged once."""
    return [Rollout(replace(TASK), one) for one in completions]


def sleepers() -> list[int]:
    """The `sleep 1000` and so on that judgings have started."""
    return [pid for pid in below(os.getpid()) if b"sleep\x00100" in _cmdline(pid)]


def _cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def why(total: Total) -> str:
    return total.terms["it"].score.reason


def echoed(completions: Sequence[str], totals: Sequence[Total]) -> list[str]:
    """What is wrong with an Echo's answers: it said something of another completion, or nothing."""
    wrong = []
    for completion, total in zip(completions, totals, strict=True):
        score = total.terms["it"].score
        if completion.split(" ")[0] in ("die", "hang", "raise"):
            if score.value != 0 or "twice" not in score.reason:
                wrong.append(f"{completion}: {score}")
        elif (score.value, score.reason) != (len(completion), completion):
            wrong.append(f"{completion}: {score}")
    return wrong
