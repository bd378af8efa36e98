"""One warm container: the stream to its supervisor, and the program that runs in it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from guerdon import Finished, Limits, Program, Running, SandboxDied
from guerdon_docker.creation import Made, bytes_of, create, remove
from guerdon_docker.inside.frames import (
    END,
    FINISHED,
    INPUT,
    KILL,
    MOST_BUSY,
    OUTPUT,
    READY,
    RUN,
    frame,
    packed,
    unpacked,
)
from guerdon_docker.stream import Stream

if TYPE_CHECKING:
    from docker import DockerClient

START_SECONDS = 60.0
PIECE = 1 << 20
"""Bytes of input that are sent at once."""
FAREWELL_SECONDS = 10.0
"""How long after its wall-clock limit the supervisor may take to report on a program."""


class Container:
    """A container that runs one program at a time. Made by `start`."""

    def __init__(self, client: "DockerClient", id_: str, memory_mb: int) -> None:
        self.client = client
        self.id = id_
        self.memory_mb = memory_mb
        self.runs = 0
        self.healthy = True
        self._stream: Stream | None = None

    @classmethod
    async def start(
        cls, client: "DockerClient", *, image: str, runtime: str | None, memory_mb: int, disk_mb: int
    ) -> "Container":
        """A container whose supervisor has said that it is ready. Raises what the docker package raises, or OSError."""
        made = Made(client)
        try:
            id_, connection = await asyncio.to_thread(create, made, image, runtime, memory_mb, disk_mb)
        except asyncio.CancelledError:
            made.abandon()
            raise
        container = cls(client, id_, memory_mb)
        try:
            loop = asyncio.get_running_loop()
            stream = container._stream = Stream()
            if connection.family == socket.AF_UNIX:
                await loop.create_unix_connection(lambda: stream, sock=connection)
            else:
                await loop.create_connection(lambda: stream, sock=connection)
            await asyncio.to_thread(client.api.start, id_)
            kind, _, _ = await asyncio.wait_for(stream.frames.get(), START_SECONDS)
            if kind != READY:
                raise OSError(f"the supervisor did not start: {stream.said()}")
        except BaseException:
            await container.remove()
            raise
        return container

    @property
    def alive(self) -> bool:
        """Whether its stream still stands, as far as is known."""
        return self._stream is not None and not self._stream.ended

    async def resize(self, memory_mb: int) -> None:
        """Give its programs another amount of memory. Raises SandboxDied."""
        memory = bytes_of(memory_mb)
        update = self.client.api.update_container
        self.healthy = False  # until it is known how much it has
        try:
            await asyncio.to_thread(update, self.id, mem_limit=memory, memswap_limit=memory)
        except Exception as error:
            raise SandboxDied(f"the container cannot be given {memory_mb} MiB: {error}") from error
        self.memory_mb, self.healthy = memory_mb, True

    @asynccontextmanager
    async def run(self, program: Program, limits: Limits) -> AsyncIterator["InContainer"]:
        """Start a program. It is gone, and the container free again or unhealthy, when the context is left."""
        assert self._stream is not None
        self.runs += 1
        box = InContainer(self, self._stream, self.runs, program, limits)
        try:
            yield box
        finally:
            await box.end()

    async def remove(self) -> None:
        """End it, and all that is in it."""
        self.healthy = False
        if self._stream is not None:
            self._stream.close()
        await asyncio.to_thread(remove, self.client, self.id)


class InContainer(Running):
    """A program that runs in a container."""

    def __init__(self, container: Container, stream: "Stream", number: int, program: Program, limits: Limits) -> None:
        self.container = container
        self.stream = stream
        self.number = number
        self.output = bytearray()
        self.finished: Finished | None = None
        facts: dict[str, Any] = {
            "command": list(program.command),
            "files": [(name, len(content)) for name, content in program.files.items()],
            "cpu_seconds": limits.cpu_seconds,
            "wall_seconds": limits.wall_seconds,
            "output_bytes": limits.output_bytes,
        }
        self.deadline = asyncio.get_running_loop().time() + MOST_BUSY * limits.wall_seconds + FAREWELL_SECONDS
        self.stream.write(frame(RUN, number, packed(facts, b"".join(program.files.values()))))

    async def send(self, data: bytes) -> None:
        try:
            async with asyncio.timeout_at(self.deadline):
                for start in range(0, len(data), PIECE):  # or the supervisor would hold all of it several times
                    self.stream.write(frame(INPUT, self.number, data[start : start + PIECE]))
                    await self.stream.drained()
        except TimeoutError:
            raise self._dead("the container takes no input any more") from None

    async def receive(self) -> bytes:
        while not self.output and self.finished is None:
            await self._next()
        data = bytes(self.output)
        self.output.clear()
        return data

    async def finish(self) -> Finished:
        self.stream.write(frame(END, self.number))
        while self.finished is None:
            await self._next()
        return self.finished

    async def end(self) -> None:
        """Kill what still runs, and wait until it is gone; if that takes long, the container must go."""
        if self.finished is not None or not self.container.healthy:
            return
        try:
            self.stream.write(frame(KILL, self.number))
            self.deadline = asyncio.get_running_loop().time() + FAREWELL_SECONDS
            while self.finished is None:
                await self._next()
        except SandboxDied:
            pass
        except BaseException:
            self.container.healthy = False
            raise

    async def _next(self) -> None:
        """Take in one more frame."""
        try:
            async with asyncio.timeout_at(self.deadline):
                kind, number, payload = await self.stream.frames.get()
        except TimeoutError:
            raise self._dead("the container does not answer any more") from None
        if not kind:
            self.stream.frames.put_nowait((kind, number, payload))  # for whoever asks next
            raise self._dead(f"the container ended under the program {self.stream.said()}".rstrip())
        if number != self.number:
            raise self._dead(f"run {number} answered when run {self.number} was asked")
        if kind == OUTPUT:
            self.output += payload
        elif kind == FINISHED:
            self._finish(*unpacked(payload))

    def _dead(self, why: str) -> SandboxDied:
        self.container.healthy = False
        return SandboxDied(why)

    def _finish(self, facts: dict[str, Any], stderr: bytes) -> None:
        if facts["error"] is not None:
            raise self._dead(f"the box could not be made: {facts['error']}")
        if facts["killed_for_memory"]:
            self.container.healthy = False  # nobody knows whom else the kernel has killed
        self.finished = Finished(
            exit_code=facts["exit_code"],
            signal=facts["signal"],
            stdout=bytes(self.output),
            stderr=stderr,
            cpu_seconds=facts["cpu_seconds"],
            seconds=facts["seconds"],
            cause=facts["cause"],
        )
