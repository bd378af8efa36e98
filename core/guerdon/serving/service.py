"""The judging behind the requests: a bounded number of rollouts at a time, counted, and finished before the end."""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Sequence

from guerdon.errors import DataError, RewardBroken
from guerdon.mixture import Mixture
from guerdon.serving.refusals import Draining, Full, Refusal
from guerdon.totals import Total
from guerdon.types import Rollout

log = logging.getLogger("guerdon")

RATE_OVER = 64
"""Judged requests that the pace is reckoned from."""
SHORTEST_WAIT, LONGEST_WAIT = 0.05, 10.0
"""Seconds that a client without room is told to wait."""


class Service:
    """A mixture that is open, and what became of the rollouts that it was handed. It belongs to one loop."""

    def __init__(self, mixture: Mixture, size: int) -> None:
        """`size`: rollouts that may be with it at the same time; whoever brings more is told to wait."""
        self.mixture, self.size = mixture, size
        self.inside = 0
        self.outcomes: Counter[str] = Counter()
        self.broken: RewardBroken | None = None
        """The last that a reward was broken, if one ever was."""
        self.draining = False
        self.empty = asyncio.Event()
        self.empty.set()
        self._left = asyncio.Condition()
        self._paces: deque[tuple[float, int]] = deque(maxlen=RATE_OVER)

    @property
    def scored(self) -> int:
        """Rollouts that were judged, with a score or without."""
        return self.outcomes.total()

    async def judge(self, rollouts: Sequence[Rollout], groups: Sequence[str] | None, patient: bool) -> list[Total]:
        """A total for each rollout. `patient`: wait for room, and do not refuse.

        Raises Refusal, RewardBroken and whatever else `Mixture.submit` does.
        """
        await self._enter(len(rollouts), patient)
        try:
            totals = await asyncio.wrap_future(self.mixture.submit(rollouts, groups))
        except RewardBroken as error:
            if self.broken is None:
                log.error("%s", error)
            self.broken = error
            raise
        finally:
            await self._leave(len(rollouts))
        self.count(totals)
        return totals

    def count(self, totals: Sequence[Total]) -> None:
        """Take note of what was said of rollouts."""
        self.outcomes.update(str(total.outcome) for total in totals)
        self._paces.append((time.monotonic(), len(totals)))

    async def drain(self) -> None:
        """Take nothing more, and wait until all that is there has been judged."""
        self.draining = True
        async with self._left:
            self._left.notify_all()
        await self.empty.wait()

    async def _enter(self, count: int, patient: bool) -> None:
        self._check_draining()
        if count > self.size:
            what = f"{count} at once, and the queue holds {self.size}"
            raise Refusal(413, [DataError("rollouts", what, "send fewer at once, or start the server with --queue")])
        if patient:
            async with self._left:
                await self._left.wait_for(lambda: self.draining or self.inside + count <= self.size)
            self._check_draining()
        elif self.inside + count > self.size:
            seconds = self._until_room(self.inside + count - self.size)
            what = f"{self.inside} rollouts are with it, and the queue holds {self.size}"
            raise Refusal(503, [Full("queue", what, "come back later")], retry_after=round(seconds, 3))
        self.inside += count
        self.empty.clear()

    async def _leave(self, count: int) -> None:
        self.inside -= count
        if not self.inside:
            self.empty.set()
        async with self._left:
            self._left.notify_all()

    def _check_draining(self) -> None:
        if self.draining:
            raise Refusal(503, [Draining("server", "is about to end", "ask another one")], retry_after=5.0)

    def _until_room(self, count: int) -> float:
        """Seconds until so many rollouts have left, at the pace of the last ones."""
        if len(self._paces) < 2:
            return 1.0
        seconds = time.monotonic() - self._paces[0][0]
        pace = sum(judged for _, judged in self._paces) / max(seconds, 1e-3)
        return min(LONGEST_WAIT, max(SHORTEST_WAIT, count / pace))
