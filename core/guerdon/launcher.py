"""The parent's end of the fork server: start it, ask it for workers, hear how they ended."""

import asyncio
import contextlib
import itertools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

BUSY_SECONDS = 0.01
"""How long to wait before asking again a server that has too many questions to answer."""
FAREWELL_SECONDS = 0.5


class ForkServer:
    """The process that forks, limits and buries this process's workers. Made lazily; used from one loop only."""

    def __init__(self, preload: Sequence[str], workers: int) -> None:
        self.preload = preload
        self.free = asyncio.Semaphore(workers)
        """Held by a worker that judges: more at once than there are cores would use up each other's wall-clock time."""
        self.numbers = itertools.count()
        self.ended: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.process: subprocess.Popen[bytes] | None = None
        self.control: socket.socket | None = None

    async def fork(self) -> tuple[int, socket.socket, "asyncio.Future[dict[str, Any]]"]:
        """A new worker process: its number, the channel to it, and how it ends.

        It ends with `{"signal", "exit", "why"}`, or with `{"lost": exit code}` of the server if that has gone.
        """
        number = next(self.numbers)
        ended = self.ended[number] = asyncio.get_running_loop().create_future()
        ours, theirs = socket.socketpair()
        with theirs:
            while True:
                control = self.control or self._start()
                try:
                    socket.send_fds(control, [json.dumps({"worker": number}).encode()], [theirs.fileno()])
                except BlockingIOError:  # it is busy importing, and many want a worker
                    await asyncio.sleep(BUSY_SECONDS)
                    continue
                except OSError:
                    self._gone()
                return number, ours, ended

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
            with contextlib.suppress(OSError):
                self.control.shutdown(socket.SHUT_RDWR)
            self.control.close()
            self.control = None
        await asyncio.to_thread(self.process.wait)
        self.process = None

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        path = [entry or os.getcwd() for entry in sys.path]
        # One thread a worker: there is a worker for every core.
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "guerdon.forkserver", str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path), **threads},
            )
        ours.send(json.dumps(list(self.preload)).encode())
        ours.setblocking(False)
        self.control = ours
        asyncio.get_running_loop().add_reader(ours, self._hear)
        return ours

    def _hear(self) -> None:
        while self.control is not None:
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
        code = None
        if self.process is not None:
            try:
                code = self.process.wait(FAREWELL_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for ended in self.ended.values():
            if not ended.done():
                ended.set_result({"lost": code})
        self.ended.clear()
