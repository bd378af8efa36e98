"""The completions of one question, judged where they were sampled: by themselves, or against each other."""

import asyncio
import logging
from collections.abc import Sequence
from statistics import fmean
from typing import Literal, Protocol

from guerdon import GuerdonError, Outcome, Rollout, Total
from guerdon_openrlhf.places import Places

RETRY_SECONDS = 1.0
log = logging.getLogger("guerdon")


class Judges(Protocol):
    """A mixture, here or on servers."""

    async def score(self, rollouts: Sequence[Rollout], groups: Sequence[str] | None = None) -> list[Total]:
        """A total for each rollout, in order."""


class Judging:
    """Has rollouts judged, and never raises: what stops the rewards is said to the launcher, which stops the run."""

    def __init__(self, judges: Judges, places: Places, retries: int) -> None:
        self.judges, self.places, self.retries = judges, places, retries

    async def totals(self, rollouts: Sequence[Rollout]) -> list[Total]:
        """A total for each of these rollouts of one question; asked again where the world was at fault."""
        totals = await self._asked(rollouts)
        for _ in range(self.retries):
            if not any(total.outcome is Outcome.UNAVAILABLE for total in totals):
                break
            await asyncio.sleep(RETRY_SECONDS)
            again = await self._asked(rollouts)
            pairs = zip(totals, again, strict=True)
            totals = [new if old.outcome is Outcome.UNAVAILABLE else old for old, new in pairs]
        return totals

    async def _asked(self, rollouts: Sequence[Rollout]) -> list[Total]:
        try:
            return await self.judges.score(rollouts, ["" for _ in rollouts])
        except GuerdonError as error:
            self.places.fail(error.where, error.what, error.way_out)
            return [_none(error) for _ in rollouts]
        except Exception as error:
            log.exception("a judging failed in guerdon itself")
            return [_none(error) for _ in rollouts]


class Question:
    """The completions of one question, which are sampled at the same time in one process."""

    def __init__(self, judging: Judging, size: int, together: bool) -> None:
        """`together`: a reward compares them, so that all must be there before one is judged."""
        self.judging, self.size, self.together = judging, size, together
        self.joined = 0
        self.rollouts: list[Rollout] = []
        self.totals: list[Total] = []
        self.settled = asyncio.Event()

    async def total(self, rollout: Rollout) -> Total:
        """What this completion gets."""
        if not self.together:
            (total,) = await self.judging.totals([rollout])
            self.totals.append(total)
            if len(self.totals) == self.size:
                self.settled.set()
            return total
        number = len(self.rollouts)
        self.rollouts.append(rollout)
        if len(self.rollouts) == self.size:
            self.totals = await self.judging.totals(self.rollouts)
            self.settled.set()
        await self.settled.wait()
        return self.totals[number]

    async def paid(self, total: Total, substitute: float | Literal["group-mean"]) -> float:
        """What OpenRLHF is told: the total, or what stands in for it."""
        if total.value is not None:
            return float(total.value)
        if substitute != "group-mean":
            return float(substitute)
        await self.settled.wait()
        scores = [one.value for one in self.totals if one.value is not None]
        return fmean(scores) if scores else 0.0

    def give_up(self) -> None:
        """A completion will not come: nobody is to wait for it."""
        missing = GuerdonError("the question's other completions", "could not be sampled")
        self.totals = [*self.totals, *(_none(missing) for _ in range(self.size - len(self.totals)))]
        self.settled.set()


def _none(error: Exception) -> Total:
    return Total(None, Outcome.VERIFIER_ERROR, f"{type(error).__name__}: {error}", {})
