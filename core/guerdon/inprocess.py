"""Judging in this process: cheap code of one's own, and whatever is written with `async def`."""

import asyncio
import contextlib
import io
import time
from collections.abc import AsyncIterator, Sequence

from guerdon import wire
from guerdon.judging import judge_unit, judge_unit_now
from guerdon.plugs import Reward
from guerdon.types import Score
from guerdon.wire import Failure, Unit, Verdict

FAREWELL_SECONDS = 1.0
"""How long a judging that is cancelled may tidy up; one that goes on after that is left to itself."""


class InProcess:
    """Judges on the loop that awaits it. `async def` rewards get a deadline, and run so many at a time as they say."""

    def __init__(self, reward: Reward) -> None:
        self.reward = reward
        self.asynchronous = reward.is_async()
        self.free = asyncio.Semaphore(reward.at_once())

    async def judge(self, units: Sequence[Unit]) -> list[Verdict]:
        """The verdicts on these units, in order."""
        if self.asynchronous:
            return await asyncio.gather(*(self._judge_async(unit) for unit in units))
        for _ in range(2):
            await asyncio.sleep(0)  # workers are sent their part first, and judge it meanwhile
        return [self._judge_now(unit) for unit in units]

    @contextlib.asynccontextmanager
    async def fresh(self) -> AsyncIterator["FreshInProcess"]:
        """There is but one process here, and it is as fresh as it will be."""
        yield FreshInProcess(self)

    def _judge_now(self, unit: Unit) -> Verdict:
        started = time.perf_counter()
        try:
            scores = judge_unit_now(self.reward, unit)
        except BaseException as error:  # nothing that it raises may end the loop
            return Verdict(None, wire.failure_of(error), time.perf_counter() - started)
        return Verdict(scores, None, time.perf_counter() - started)

    async def _judge_async(self, unit: Unit) -> Verdict:
        queued = time.perf_counter()
        async with self.free:
            started = time.perf_counter()
            # A task of its own: one that swallows its cancellation must not hold up the run.
            judging = asyncio.create_task(self._attempt(unit))
            try:
                await asyncio.wait([judging], timeout=self.reward.budget.wall_seconds)
                failure = (
                    None if judging.done() else Failure(wire.WALL_TIME, "used up its wall-clock time", _at(judging))
                )
            finally:
                judging.cancel()
            scores = None
            if failure is not None:
                await asyncio.wait([judging], timeout=FAREWELL_SECONDS)
            elif isinstance(judged := judging.result(), Failure):
                failure = judged
            else:
                scores = judged
            return Verdict(scores, failure, time.perf_counter() - started, started - queued)

    async def _attempt(self, unit: Unit) -> list[Score] | Failure:
        task = asyncio.current_task()
        try:
            return await judge_unit(self.reward, unit)
        except BaseException as error:  # KeyboardInterrupt and SystemExit would end the loop
            if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
                raise
            return wire.failure_of(error)


class FreshInProcess:
    """One judging at a time."""

    def __init__(self, place: InProcess) -> None:
        self.place = place

    async def judge(self, unit: Unit) -> Verdict:
        """The verdict on one unit."""
        return (await self.place.judge([unit]))[0]


def _at(task: "asyncio.Task[object]") -> str:
    text = io.StringIO()
    task.print_stack(limit=wire.DEEPEST_TRACEBACK, file=text)
    return text.getvalue()
