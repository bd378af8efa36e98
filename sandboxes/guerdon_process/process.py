"""A plain child process with the contract of a sandbox."""

import asyncio
import math
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal, TypeAlias

from guerdon import STDERR_BYTES, Finished, Limits, Program, Running, Sandbox, Unavailable

_LIMITED = 'ulimit -c 0; ulimit -S -t "$1"; ulimit -H -t "$(($1 + 1))"; ulimit -v "$2"; shift 2; exec "$@"'
_CHUNK = 1 << 16
_TICK = 0.05
"""Seconds by which the kernel's two ways of counting CPU time may differ."""

_Cause: TypeAlias = Literal["cpu", "wall", "memory", "output"]


class Process(Sandbox):
    """A plain child process. It stops accidents, not attackers; use it in tests.

    What it does not cover: the program runs as you, sees your files, your network and your other processes, and what
    moves to a session of its own outlives it. CPU time ends each of its processes by itself, after whole seconds. A
    memory limit is the address space of each, so that no run ends with the cause `memory`; files are not counted.
    """

    name: ClassVar[str] = "process"

    def start(self, program: Program, limits: Limits) -> AbstractAsyncContextManager[Running]:
        """Start the program in a temporary directory, at once."""
        return _started(program, limits)


@asynccontextmanager
async def _started(program: Program, limits: Limits) -> AsyncIterator[Running]:
    with tempfile.TemporaryDirectory(prefix="guerdon-", ignore_cleanup_errors=True) as home:
        directory = Path(home) / "run"
        directory.mkdir()
        for path, content in program.files.items():
            file = directory / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            file.chmod(0o755)
        limit = (str(math.ceil(limits.cpu_seconds)), str(limits.memory_mb << 10))
        environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8"}
        try:
            child = subprocess.Popen(  # noqa: ASYNC220  # for os.wait4, which tells its CPU time
                ["/bin/sh", "-c", _LIMITED, "sh", *limit, *program.command],
                cwd=directory,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable(f"no process can be started: {error}") from error
        running = _Child(child, limits)
        try:
            yield running
        finally:
            await running.end()
            shutil.rmtree(directory, ignore_errors=True)


class _Child(Running):
    def __init__(self, child: subprocess.Popen[bytes], limits: Limits) -> None:
        pipes = [pipe for pipe in (child.stdin, child.stdout, child.stderr) if pipe is not None]
        self.child, self.limits, self.started = child, limits, time.monotonic()
        self.loop = asyncio.get_running_loop()
        self.stdin, self.stdout, self.stderr = (os.dup(pipe.fileno()) for pipe in pipes)
        for pipe in pipes:
            pipe.close()
        self.pidfd = os.pidfd_open(child.pid)
        self.output, self.errors, self.written = bytearray(), bytearray(), 0
        self.cause: _Cause | None = None
        self.finished: Finished | None = None
        self.news = asyncio.Event()
        """Set whenever there is output, room for input, or the end."""
        for fd in (self.stdin, self.stdout, self.stderr):
            os.set_blocking(fd, False)
        self.loop.add_reader(self.stdout, self._read_output)
        self.loop.add_reader(self.stderr, self._read_errors)
        self.loop.add_reader(self.pidfd, self._ended)
        self.alarm = self.loop.call_later(limits.wall_seconds, self._stop, "wall")

    async def send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest and self.stdin >= 0 and self.finished is None:
            self.news.clear()
            try:
                rest = rest[os.write(self.stdin, rest[:_CHUNK]) :]
            except BlockingIOError:
                self.loop.add_writer(self.stdin, self.news.set)
                await self.news.wait()
                if self.stdin >= 0:
                    self.loop.remove_writer(self.stdin)
            except BrokenPipeError:
                return

    async def receive(self) -> bytes:
        while not self.output and self.stdout >= 0 and self.finished is None:
            self.news.clear()
            await self.news.wait()
        data = bytes(self.output)
        self.output.clear()
        return data

    async def finish(self) -> Finished:
        self.stdin = self._closed(self.stdin)
        while self.finished is None:
            self.news.clear()
            await self.news.wait()
        return replace(self.finished, stdout=bytes(self.output))

    async def end(self) -> None:
        """Leave nothing behind."""
        if self.finished is None:
            self._kill()
            await self.finish()

    def _read_output(self) -> None:
        while self.stdout >= 0:
            try:
                data = os.read(self.stdout, _CHUNK)
            except BlockingIOError:
                return
            room = self.limits.output_bytes - self.written
            self.output += data[: max(room, 0)]
            self.written += len(data)
            self.news.set()
            if not data:
                self.stdout = self._closed(self.stdout)
            elif len(data) > room:
                self._stop("output")
                return

    def _read_errors(self) -> None:
        for _ in range(16):  # and then the others have their turn, whatever it says
            try:
                data = os.read(self.stderr, _CHUNK)
            except BlockingIOError:
                return
            self.errors += data
            del self.errors[:-STDERR_BYTES]
            if not data:
                self.loop.remove_reader(self.stderr)
                return

    def _stop(self, cause: _Cause) -> None:
        if self.cause is None and self.finished is None:
            self.cause = cause
            self._kill()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)

    def _ended(self) -> None:
        self._kill()  # before its number is free: what it has started
        _, status, usage = os.wait4(self.child.pid, 0)
        code = self.child.returncode = os.waitstatus_to_exitcode(status)
        self.alarm.cancel()
        self._read_output()
        self._read_errors()
        for fd in (self.stdin, self.stdout, self.stderr, self.pidfd):
            self._closed(fd)
        self.stdin = self.stdout = -1
        cpu = usage.ru_utime + usage.ru_stime
        ended = code in (-signal.SIGXCPU, 128 + signal.SIGXCPU)  # by the signal, or a shell around it
        if self.cause is None and (ended or cpu > self.limits.cpu_seconds - _TICK):
            self.cause = "cpu"
        self.finished = Finished(
            exit_code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            stdout=b"",
            stderr=bytes(self.errors),
            cpu_seconds=cpu,
            seconds=time.monotonic() - self.started,
            cause=self.cause,
        )
        self.news.set()

    def _closed(self, fd: int) -> int:
        if fd >= 0:
            self.loop.remove_reader(fd)
            self.loop.remove_writer(fd)
            os.close(fd)
        return -1
