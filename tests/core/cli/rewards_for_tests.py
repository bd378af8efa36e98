"""A plugin for the tests of the command line: it is copied beside hostile.py, with an entry point, onto a path."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import hostile
from pydantic import Field

from guerdon import Budget, Rollout, Sandbox, Score, Task, Tasks, Verifier, hookimpl


@hookimpl
def register_rewards(register: Any) -> None:
    ours = (Slow, Right, Described, Inline, Caught)
    for reward in (*ours, hostile.HostileWithCanonical, hostile.Echo, hostile.Longest, hostile.Unopenable):
        register(reward)


@hookimpl
def register_tasks(register: Any) -> None:
    register(Questions)


@hookimpl
def rollouts_scored(step: int, totals: Sequence[Any]) -> None:
    if "LISTENER" in os.environ:
        with Path(os.environ["LISTENER"]).open("a") as file:
            file.write(f"{step} {len(totals)}\n")
        if "LISTENER_RAISES" in os.environ:
            raise RuntimeError("the tracker is down")


class Slow(Verifier):
    """As long as $SECONDS in the environment."""

    name: ClassVar[str] = "slow"

    def verify(self, rollout: Rollout) -> Score:
        time.sleep(float(os.environ.get("SECONDS", "0")))
        return Score(float(len(rollout.completion)), f"{len(rollout.completion)} characters")


class Caught(Verifier):
    """Takes everybody for a cheat."""

    name: ClassVar[str] = "caught"

    def verify(self, rollout: Rollout) -> Score:
        return Score(0.0, "a cheat", evidence={"cheat": "it looked at me"})


class Right(Verifier):
    """Whether the answer is the ground truth."""

    name: ClassVar[str] = "right"
    ground_truth_type: ClassVar[Any] = str

    strict: bool = True
    """Whether white space counts."""

    def verify(self, rollout: Rollout) -> bool:
        return rollout.answer == rollout.task.ground_truth

    def canonical(self, task: Task) -> str | None:
        return None if task.ground_truth == "no such thing" else str(task.ground_truth).replace("crooked", "straight")


class Described(Verifier):
    """Has an option of every type.

    - a list item that goes on
    in the next line
    """

    name: ClassVar[str] = "described"
    budget: ClassVar[Budget] = Budget(cpu_seconds=1.5, wall_seconds=3, memory_mb=64)

    path: Path
    """A required path."""
    share: float = Field(default=0.5, ge=0, le=1)
    """A share, of \\frac{1}{2} or [bold]so[/bold]."""
    mode: Literal["soft", "hard"] = "soft"
    """One of two."""
    names: tuple[str, ...] = ("a", 'b "quoted"')
    """Many."""
    sandbox: Sandbox | None = None
    """Where code runs."""
    seconds: float = float("inf")
    """Endless."""

    def verify(self, rollout: Rollout) -> float:
        return self.share


class Inline(hostile.HostileWithCanonical):
    """Does what the completion says, in this process."""

    name: ClassVar[str] = "inline"
    isolation: ClassVar[Any] = "inline"
    ground_truth_type: ClassVar[Any] = Any


class Questions(Tasks):
    """Three questions, of which one has a truth that cannot be proved."""

    name: ClassVar[str] = "right"

    third: str = "no such thing"
    """The truth of the third."""

    def __iter__(self) -> Any:
        for number, truth in enumerate(["yes", "no", self.third]):
            yield Task(f"q{number}", f"Question {number}?", truth, domain="quiz")
