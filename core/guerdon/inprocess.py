"""Judging in this process: cheap code of one's own, and whatever is written with `async def`."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence

from guerdon import wire
from guerdon.judging import judge_now, judge_unit
from guerdon.plugs import Reward
from guerdon.wire import Unit, Verdict


class InProcess:
    """Judges on the loop that awaits it. `async def` rewards get a deadline, and run so many at a time as they say."""

    def __init__(self, reward: Reward) -> None:
        self.reward = reward
        self.asynchronous = reward.is_async()
        self.free = asyncio.Semaphore(reward.concurrency)

    async def judge(self, units: Sequence[Unit]) -> list[Verdict]:
        """The verdicts on these units, in order."""
        if self.asynchronous:
            return await asyncio.gather(*(self._judge_async(unit) for unit in units))
        return [self._judge_now(unit) for unit in units]

    @contextlib.asynccontextmanager
    async def fresh(self) -> AsyncIterator["FreshInProcess"]:
        """There is but one process here, and it is as fresh as it will be."""
        yield FreshInProcess(self)

    def _judge_now(self, unit: Unit) -> Verdict:
        started = time.perf_counter()
        try:
            scores = judge_now(self.reward, unit.rollouts)
        except (Exception, SystemExit) as error:
            return Verdict(None, wire.failure_of(error), time.perf_counter() - started)
        return Verdict(scores, None, time.perf_counter() - started)

    async def _judge_async(self, unit: Unit) -> Verdict:
        queued = time.perf_counter()
        async with self.free:
            started = time.perf_counter()
            scores, failure = None, None
            try:
                async with asyncio.timeout(self.reward.budget.wall_seconds) as deadline:
                    scores = await judge_unit(self.reward, unit)
            except (Exception, SystemExit, asyncio.CancelledError) as error:
                task = asyncio.current_task()
                if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                    raise
                failure = wire.failure_of(error)
                if deadline.expired():
                    failure = wire.Failure(wire.WALL_TIME, "used up its wall-clock time", failure.traceback)
            return Verdict(scores, failure, time.perf_counter() - started, started - queued)


class FreshInProcess:
    """One judging at a time."""

    def __init__(self, place: InProcess) -> None:
        self.place = place

    async def judge(self, unit: Unit) -> Verdict:
        """The verdict on one unit."""
        return await self.place._judge_async(unit)
