"""Work that can be killed: judgings in forked processes, each under a budget of CPU, wall-clock time and memory."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from guerdon import wire
from guerdon.errors import GuerdonError
from guerdon.plugs import Reward
from guerdon.wire import Failure, Unit, Verdict
from guerdon.worker import EXIT_OUT_OF_MEMORY

LARGEST_MESSAGE = 32
"""Units per message. More saves little, and what a killed worker had left is sent again."""
LARGEST_LINE = 1 << 28
WATCH_SECONDS = 1.0
GRACE_SECONDS = 5.0
"""The kernel's timer ends a judging; only a worker that outlives it by so much is killed from here."""
LOST_TWICE = 2


class ForkServer:
    """The process that forks, limits and buries this process's workers. Made lazily; used from one loop only."""

    def __init__(self, preload: Sequence[str]) -> None:
        self.preload = preload
        self.numbers = itertools.count()
        self.ended: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None

    def fork(self, reward: Reward) -> "Worker":
        """A new worker for this reward."""
        if self.control is None:
            self._start()
        assert self.control is not None
        number = next(self.numbers)
        ended: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.ended[number] = ended
        ours, theirs = socket.socketpair()
        command = {
            "worker": number,
            "class": f"{type(reward).__module__}:{type(reward).__qualname__}",
            "options": reward.model_dump(mode="json"),
        }
        with theirs:
            try:
                socket.send_fds(self.control, [json.dumps(command).encode()], [theirs.fileno()])
            except OSError:
                self._gone()
        return Worker(number, ours, ended, self)

    def kill(self, number: int) -> None:
        """End a worker now, and everything that it started."""
        if self.control is not None:
            with contextlib.suppress(OSError):
                self.control.send(json.dumps({"kill": number}).encode())

    async def close(self) -> None:
        """End all workers and the server itself. None is left when this returns."""
        if self.process is None:
            return
        if self.control is not None:
            asyncio.get_running_loop().remove_reader(self.control)
            # Not only close: a forked copy of this process may hold the same socket.
            self.control.shutdown(socket.SHUT_RDWR)
            self.control.close()
            self.control = None
        await asyncio.to_thread(self.process.wait)
        self.process = None

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = [entry or os.getcwd() for entry in sys.path]
        # One thread a worker: there is a worker for every core.
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "guerdon.forkserver", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path), **threads},
            )
        ours.send(json.dumps(list(self.preload)).encode())
        ours.setblocking(False)
        self.control = ours
        asyncio.get_running_loop().add_reader(ours, self._hear)

    def _hear(self) -> None:
        assert self.control is not None
        while True:
            try:
                message = self.control.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:
                message = b""
            if not message:
                self._gone()
                return
            event = json.loads(message)
            ended = self.ended.pop(event["ended"], None)
            if ended is not None and not ended.done():
                ended.set_result(event)

    def _gone(self) -> None:
        # Somebody killed the server. Its workers die with it (PDEATHSIG), and the next fork starts a new one.
        if self.control is not None:
            asyncio.get_running_loop().remove_reader(self.control)
            self.control.close()
            self.control = None
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        for ended in self.ended.values():
            if not ended.done():
                ended.set_result({"lost": True})
        self.ended.clear()


@dataclass
class _Item:
    """A unit that waits for its verdict."""

    unit: Unit
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
        if self.lost < LOST_TWICE:
            return None
        return Verdict(None, Failure(wire.CRASHED, "its worker was killed from outside, twice"), 0.0)


class Worker:
    """One worker process, seen from here."""

    def __init__(self, number: int, channel: socket.socket, ended: asyncio.Future[dict[str, Any]], server: ForkServer):
        self.number = number
        self.channel = channel
        self.ended = ended
        self.server = server
        self.busy_since: float | None = None
        self.overdue = False
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def open(self, reward: Reward) -> None:
        """Wait until its plug is open. Raises GuerdonError with the traceback when the plug cannot be."""
        self.channel.setblocking(False)
        self.reader, self.writer = await asyncio.open_unix_connection(sock=self.channel, limit=LARGEST_LINE)
        line = await self._line()
        first = json.loads(line) if line else {}
        if "broken" in first:
            raise GuerdonError(f"reward '{reward.name}'", f"cannot be opened in a worker\n{first['broken']}")
        if not line:
            event = await self.ended
            if "lost" not in event:
                raise GuerdonError(f"reward '{reward.name}'", f"its worker ended before it was open ({_how(event)})")

    async def judge(self, items: Sequence[_Item]) -> tuple[list[_Item], Verdict | None]:
        """Settle these items, in order. Returns those that are left when the worker ends, and what ended it.

        The first of those that are left is the one it was judging. No verdict: the worker was lost to something else.
        """
        assert self.writer is not None
        left = deque(items)
        self.busy_since = time.monotonic()
        try:
            self.writer.write(wire.dump([[number, wire.from_unit(item.unit)] for number, item in enumerate(items)]))
            while left:
                line = await self._line()
                seconds = time.monotonic() - self.busy_since
                if not line.endswith(b"\n"):
                    failure = self._cause(await self.ended)
                    return list(left), None if failure is None else Verdict(None, failure, seconds)
                try:
                    number, plain = json.loads(line)
                    verdict = wire.to_verdict(plain)
                    if number != len(items) - len(left):
                        raise ValueError(f"answered {number} for {len(items) - len(left)}")
                except (ValueError, TypeError, KeyError) as error:
                    self.server.kill(self.number)
                    return list(left), Verdict(
                        None, Failure(wire.CRASHED, f"its worker broke protocol: {error}"), seconds
                    )
                self.busy_since = time.monotonic()
                left.popleft().settle(verdict)
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
        if self.writer is not None:
            self.writer.close()
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
        self.workers: set[Worker] = set()
        self.alone = asyncio.Semaphore(self.size)
        self.watcher: asyncio.Task[None] | None = None

    async def judge(self, units: Sequence[Unit]) -> list[Verdict]:
        """The verdicts on these units, in order. Raises GuerdonError if the reward cannot be opened in a worker."""
        loop = asyncio.get_running_loop()
        items = [_Item(unit, loop.create_future()) for unit in units]
        self.waiting.extend(items)
        self.arrived.set()
        while len(self.slots) < min(self.size, len(self.waiting)):
            self.slots.append(asyncio.create_task(self._slot()))
        if self.watcher is None:
            self.watcher = asyncio.create_task(self._watch())
        return [await item.future for item in items]

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
        worker = self.server.fork(self.reward)
        self.workers.add(worker)
        try:
            await worker.open(self.reward)
        except BaseException:
            self.dismiss(worker)
            raise
        return worker

    def dismiss(self, worker: Worker) -> None:
        """Let a worker go."""
        self.workers.discard(worker)
        worker.retire()

    async def _slot(self) -> None:
        worker: Worker | None = None
        while True:
            while not self.waiting:
                self.arrived.clear()
                await self.arrived.wait()
            # Small enough that all slots have work to the end, large enough that messages are few.
            count = max(1, min(LARGEST_MESSAGE, len(self.waiting) // (2 * self.size)))
            items = [self.waiting.popleft() for _ in range(count)]
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
    """A worker that only one caller uses; replaced by a new one whenever it ends."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.worker: Worker | None = None

    async def judge(self, unit: Unit) -> Verdict:
        """The verdict on one unit, with nothing else going on in that worker."""
        item = _Item(unit, asyncio.get_running_loop().create_future())
        while not item.future.done():
            self.worker = self.worker or await self.pool.hire()
            item.since = time.monotonic()
            left, verdict = await self.worker.judge([item])
            if left:
                self.retire()
                verdict = verdict or item.lose()
                if verdict is not None:
                    item.settle(verdict)
        return item.future.result()

    def retire(self) -> None:
        """Let the worker go."""
        if self.worker is not None:
            self.pool.dismiss(self.worker)
            self.worker = None


def _how(event: dict[str, Any]) -> str:
    if event["signal"] is not None:
        return signal.Signals(event["signal"]).name
    return event["why"] or f"exit code {event['exit']}"
