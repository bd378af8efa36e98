"""Rewards for the benchmarks. A module of its own, so that workers can import it."""

from typing import Any, ClassVar

from guerdon import Rollout, Score, Verifier
from guerdon_math import BoxedMath

HANG = "a bigint power, please"


class SlowMath(BoxedMath):
    """boxed-math, with a completion that hangs it in one C call that holds the GIL."""

    name: ClassVar[str] = "slow-math"

    def verify(self, rollout: Rollout) -> Score:
        if rollout.completion == HANG:
            return Score(float(7**10**9 % 2), "never said")
        return super().verify(rollout)


class Trivial(Verifier):
    """Costs nothing, so that what is left is the mixture."""

    name: ClassVar[str] = "trivial"

    def verify(self, rollout: Rollout) -> bool:
        return rollout.completion.endswith("x")


class TrivialInline(Trivial):
    """The same, in this process."""

    name: ClassVar[str] = "trivial-inline"
    isolation: ClassVar[Any] = "inline"
