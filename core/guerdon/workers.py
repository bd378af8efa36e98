"""Work that can be killed: judgings in forked processes, each under a budget of CPU, wall-clock time and memory."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from guerdon import wire
from guerdon.errors import DataError, GuerdonError
from guerdon.launcher import ForkServer
from guerdon.plugs import Reward
from guerdon.wire import Failure, Unit, Verdict
from guerdon.worker import EXIT_OUT_OF_MEMORY

LARGEST_MESSAGE = 32
"""Units per message. More saves little, and what a killed worker had left is sent again."""
LARGEST_MESSAGE_BYTES = 1 << 20
"""A message is complete with either, or a few long completions would use up a worker's memory together."""
LARGEST_LINE = 1 << 28
WATCH_SECONDS = 1.0
GRACE_SECONDS = 5.0
"""The kernel's timer ends a judging; only a worker that outlives it by so much is killed from here."""
PATIENCE = 5
"""How often a judging may lose its worker to something outside before its rollout is left without a score."""


@dataclass
class _Item:
    """A unit that waits for its verdict. `line`: what the worker is told of it."""

    line: bytes
    future: asyncio.Future[Verdict]
    since: float = field(default_factory=time.monotonic)
    lost: int = 0

    def settle(self, verdict: Verdict) -> None:
        """Give the verdict to whoever waits; what was not run time was queue time."""
        if not self.future.done():
            queued = max(0.0, time.monotonic() - self.since - verdict.seconds)
            self.future.set_result(replace(verdict, queued_seconds=queued))

    def lose(self) -> Verdict | None:
        """The worker was killed from outside; a verdict only when that has happened too often to be bad luck."""
        self.lost += 1
        if self.lost < PATIENCE:
            return None
        return Verdict(None, Failure(wire.UNAVAILABLE, f"its worker was killed from outside, {PATIENCE} times"), 0.0)


def _item(unit: Unit) -> _Item:
    try:
        line = wire.dump(wire.from_unit(unit)).rstrip()
    except (TypeError, ValueError, RecursionError) as error:
        names = ", ".join(sorted({rollout.task.id for rollout in unit.rollouts}))
        raise DataError(
            f"task {names}", f"cannot be sent to a worker: {error}", "what a rollout holds are JSON values"
        ) from None
    return _Item(line, asyncio.get_running_loop().create_future())


class Worker:
    """One worker process, seen from here."""

    def __init__(self, number: int, channel: socket.socket, ended: asyncio.Future[dict[str, Any]], server: ForkServer):
        self.number = number
        self.channel = channel
        self.ended = ended
        self.server = server
        self.sent = itertools.count()
        """Numbers that no two units share, so that an answer can never be taken for another unit's."""
        self.pid: int | None = None
        self.busy_since: float | None = None
        self.overdue = False
        self.interrupted = False
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def open(self, reward: Reward) -> None:
        """Wait until its plug is open. Raises GuerdonError with the traceback when the plug cannot be."""
        self.channel.setblocking(False)
        self.reader, self.writer = await asyncio.open_unix_connection(sock=self.channel, limit=LARGEST_LINE)
        path = f"{type(reward).__module__}:{type(reward).__qualname__}"
        self.writer.write(wire.dump({"class": path, "options": reward.model_dump(mode="json")}))
        line = await self._line()
        first = json.loads(line) if line else {}
        if "broken" in first:
            raise GuerdonError(f"reward '{reward.name}'", f"cannot be opened in a worker\n{first['broken']}")
        if not line:
            event = await self.ended
            # Somebody who kills workers is no reason to stop: its work is then done by another.
            if "lost" not in event and event["signal"] != signal.SIGKILL:
                raise GuerdonError(f"reward '{reward.name}'", f"its worker ended before it was open ({_how(event)})")
            if (event.get("lost") or 0) > 0:
                what = f"the process that forks them ended with exit code {event['lost']}"
                raise GuerdonError("workers", what, "its traceback is on stderr")
        self.pid = first.get("ready")

    async def judge(self, items: Sequence[_Item]) -> tuple[list[_Item], Verdict | None]:
        """Settle these items, in order. Returns those that are left when the worker ends, and what ended it.

        The first of those that are left is the one it was judging. No verdict: the worker was lost to something else,
        or nobody waits for the others any more.
        """
        async with self.server.free:
            return await self._judge(items)

    async def _judge(self, items: Sequence[_Item]) -> tuple[list[_Item], Verdict | None]:
        assert self.writer is not None
        left = deque((next(self.sent), item) for item in items)
        self.busy_since = time.monotonic()
        try:
            self.writer.write(b"[%s]\n" % b",".join(b"[%d,%s]" % (number, item.line) for number, item in left))
            while left:
                try:
                    line = await self._line()
                    seconds = time.monotonic() - self.busy_since
                    if not line.endswith(b"\n"):
                        failure = self._cause(await self.ended)
                        return [item for _, item in left], None if failure is None else Verdict(None, failure, seconds)
                    number, plain = json.loads(line)
                    verdict = wire.to_verdict(plain)
                    if number != left[0][0]:
                        raise ValueError(f"answered {number} for {left[0][0]}")
                except Exception as error:
                    self.server.kill(self.number)
                    broken = Failure(wire.CRASHED, f"its worker broke protocol: {error}")
                    return [item for _, item in left], Verdict(None, broken, time.monotonic() - self.busy_since)
                self.busy_since = time.monotonic()
                left.popleft()[1].settle(verdict)
                if left and all(item.future.done() for _, item in left):
                    self.interrupted = True
                    return [item for _, item in left], None  # nobody waits for them any more
        finally:
            self.busy_since = None
        return [], None

    def kill_if_overdue(self, wall_seconds: float) -> None:
        """Kill it if it has outlived its budget by so much that the kernel's timer must have been disarmed."""
        if self.busy_since is not None and time.monotonic() - self.busy_since > wall_seconds + GRACE_SECONDS:
            self.overdue = True
            self.server.kill(self.number)

    def _cause(self, event: dict[str, Any]) -> Failure | None:
        if "lost" in event:
            if self.pid is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)  # what it started has nobody else to end it
            return None
        if self.pid is None:
            return None
        if event["signal"] == signal.SIGPROF:
            return Failure(wire.CPU_TIME, "used up its CPU time")
        if event["signal"] == signal.SIGALRM or self.overdue:
            return Failure(wire.WALL_TIME, "used up its wall-clock time")
        if event["exit"] == EXIT_OUT_OF_MEMORY:
            return Failure(wire.MEMORY, "used up its memory")
        return Failure(wire.CRASHED, f"ended its worker ({_how(event)})")

    def retire(self) -> None:
        """Let it close its plug and go."""
        # Not only close: a forked copy of this process may hold the same socket.
        with contextlib.suppress(OSError):
            self.channel.shutdown(socket.SHUT_RDWR)
        if self.writer is not None:
            self.writer.transport.abort()
        else:
            self.channel.close()

    async def _line(self) -> bytes:
        assert self.reader is not None
        try:
            return await self.reader.readline()
        except ConnectionError:
            return b""


class Pool:
    """The workers of one reward. Use it on one loop."""

    def __init__(self, reward: Reward, server: ForkServer, size: int) -> None:
        self.reward = reward
        self.server = server
        self.size = 1 if reward.isolation == "resident" else size
        self.waiting: deque[_Item] = deque()
        self.arrived = asyncio.Event()
        self.slots: list[asyncio.Task[None]] = []
        self.busy = 0
        """How many slots have work."""
        self.workers: set[Worker] = set()
        self.alone = asyncio.Semaphore(self.size)
        self.watcher: asyncio.Task[None] | None = None

    async def judge(self, units: Sequence[Unit]) -> list[Verdict]:
        """The verdicts on these units, in order.

        Raises GuerdonError if the reward cannot be opened in a worker, and DataError for a task that is no JSON.
        """
        items = [_item(unit) for unit in units]
        self.waiting.extend(items)
        self.arrived.set()
        while len(self.slots) < min(self.size, self.busy + len(self.waiting)):
            self.slots.append(asyncio.create_task(self._slot()))
        if self.watcher is None:
            self.watcher = asyncio.create_task(self._watch())
        try:
            return await asyncio.gather(*(item.future for item in items))
        finally:
            for item in items:
                item.future.cancel()  # once nobody waits for it, it need not be judged

    @contextlib.asynccontextmanager
    async def fresh(self) -> AsyncIterator["Fresh"]:
        """A worker of one's own, that has judged nothing yet."""
        async with self.alone:
            fresh = Fresh(self)
            try:
                yield fresh
            finally:
                fresh.retire()

    async def close(self) -> None:
        """Retire all workers; whoever still waits is cancelled."""
        tasks = [*self.slots, *([self.watcher] if self.watcher else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for item in self.waiting:
            item.future.cancel()
        for worker in self.workers:
            worker.retire()

    async def hire(self) -> Worker:
        """A new worker with its plug open."""
        worker = Worker(*await self.server.fork(), self.server)
        self.workers.add(worker)
        try:
            await worker.open(self.reward)
        except BaseException:
            self.dismiss(worker)
            raise
        return worker

    def dismiss(self, worker: Worker) -> None:
        """Let a worker go; one that is in the middle of something will not hear, and is killed."""
        self.workers.discard(worker)
        worker.retire()
        if worker.interrupted:
            self.server.kill(worker.number)

    def _message(self) -> list[_Item]:
        """What is to be judged next by one worker; nothing if nobody waits."""
        # Small enough that all slots have work to the end, large enough that messages are few.
        most = max(1, min(LARGEST_MESSAGE, len(self.waiting) // (2 * self.size)))
        items: list[_Item] = []
        size = 0
        while self.waiting and len(items) < most and size < LARGEST_MESSAGE_BYTES:
            item = self.waiting.popleft()
            if not item.future.done():
                items.append(item)
                size += len(item.line)
        return items

    async def _slot(self) -> None:
        worker: Worker | None = None
        while True:
            while not (items := self._message()):
                self.arrived.clear()
                await self.arrived.wait()
            self.busy += 1
            try:
                worker = worker or await self.hire()
                left, verdict = await worker.judge(items)
            except asyncio.CancelledError:
                for item in items:
                    item.future.cancel()
                raise
            except Exception as error:
                for item in items:
                    if not item.future.done():
                        item.future.set_exception(error)
                continue
            finally:
                self.busy -= 1
            if left:
                self.dismiss(worker)
                worker = None
                verdict = verdict or left[0].lose()
                if verdict is not None:
                    left.pop(0).settle(verdict)
                self.waiting.extendleft(reversed(left))
                self.arrived.set()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            for worker in self.workers:
                worker.kill_if_overdue(self.reward.budget.wall_seconds)


class Fresh:
    """A worker that only one caller uses, and no judging after one that failed."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.worker: Worker | None = None

    async def judge(self, unit: Unit) -> Verdict:
        """The verdict on one unit, with nothing else going on in that worker."""
        if self.pool.reward.isolation == "resident":
            # There may be no room for a second copy of a model.
            return (await self.pool.judge([unit]))[0]
        item = _item(unit)
        while not item.future.done():
            self.worker = self.worker or await self.pool.hire()
            item.since = time.monotonic()
            left, verdict = await self.worker.judge([item])
            if left:
                self.retire()
                verdict = verdict or item.lose()
                if verdict is not None:
                    item.settle(verdict)
        verdict = item.future.result()
        if verdict.failure is not None:
            self.retire()  # whatever failed may have left something behind
        return verdict

    def retire(self) -> None:
        """Let the worker go."""
        if self.worker is not None:
            self.pool.dismiss(self.worker)
            self.worker = None


def _how(event: dict[str, Any]) -> str:
    if event["signal"] is not None:
        return signal.Signals(event["signal"]).name
    return event["why"] or f"exit code {event['exit']}"
