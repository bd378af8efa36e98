"""One warm container: the stream to its supervisor, and the program that runs in it."""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from guerdon import Finished, GuerdonError, Limits, Program, Running, SandboxDied
from guerdon_docker import bundle
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
    take,
    unpacked,
)

if TYPE_CHECKING:
    from docker import DockerClient

LABEL = "guerdon.sandbox"
CAPABILITIES = ("SYS_ADMIN", "SETUID", "SETGID", "SETPCAP")
"""What the supervisor needs for namespaces and mounts, for becoming another user, and for giving up the rest for good.
Programs have none."""
SUPERVISOR_MB = 96
"""Memory (MiB) of a container that is not the program's."""
PROCESSES = 256
CPU_SHARES = 512
"""Half of what others get, so that the trainer's own processes come first on a busy machine."""
START_SECONDS = 60.0
FAREWELL_SECONDS = 10.0
"""How long after its wall-clock limit the supervisor may take to report on a program."""

LARGEST_UNSENT = 1 << 18

_DOCKER_HEAD = struct.Struct(">BxxxI")


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
        creating = asyncio.create_task(asyncio.to_thread(_create, client, image, runtime, memory_mb, disk_mb))
        try:
            id_, connection = await asyncio.shield(creating)
        except asyncio.CancelledError:
            # The thread goes on, and somebody must remove what it makes.
            creating.add_done_callback(lambda done: _abandon(client, done))
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
        memory = (memory_mb + SUPERVISOR_MB) << 20
        update = self.client.api.update_container
        try:
            await asyncio.to_thread(update, self.id, mem_limit=memory, memswap_limit=memory)
        except Exception as error:
            self.healthy = False
            raise SandboxDied(f"the container cannot be given {memory_mb} MiB: {error}") from error
        self.memory_mb = memory_mb

    @asynccontextmanager
    async def run(self, program: Program, limits: Limits) -> AsyncIterator["Box"]:
        """Start a program. It is gone, and the container free again or unhealthy, when the context is left."""
        assert self._stream is not None
        self.runs += 1
        box = Box(self, self._stream, self.runs, program, limits)
        try:
            yield box
        finally:
            await box.end()

    async def remove(self) -> None:
        """End it, and all that is in it."""
        self.healthy = False
        if self._stream is not None:
            self._stream.close()
        await asyncio.to_thread(_remove, self.client, self.id)


class Box(Running):
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
        self.stream.write(frame(INPUT, self.number, data))
        try:
            async with asyncio.timeout_at(self.deadline):
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


class Stream(asyncio.Protocol):
    """The two-way stream to a supervisor: its frames, inside those in which docker carries stdout and stderr."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[tuple[bytes, int, bytes]] = asyncio.Queue()
        """In the order in which they came; an empty kind is the end."""
        self._raw = bytearray()
        self._ours = bytearray()
        self._stderr = bytearray()
        self._unsent: list[bytes] = []
        self.ended = False
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._raw += data
        while len(self._raw) >= _DOCKER_HEAD.size:
            source, length = _DOCKER_HEAD.unpack_from(self._raw)
            end = _DOCKER_HEAD.size + length
            if len(self._raw) < end:
                return
            part = memoryview(self._raw)[_DOCKER_HEAD.size : end]
            if source == 1:
                self._ours += part
            else:
                self._stderr = (self._stderr + part)[-2000:]
            part.release()
            del self._raw[:end]
            while (taken := take(self._ours)) is not None:
                self.frames.put_nowait(taken)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True
        self._writable.set()
        self.frames.put_nowait((b"", 0, b""))

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def write(self, data: bytes) -> None:
        """Send frames, in one go with what else is written before the loop turns; after the end they are dropped."""
        if not self._unsent:
            asyncio.get_running_loop().call_soon(self._flush)
        self._unsent.append(data)

    async def drained(self) -> None:
        """Wait until there is room for more."""
        if sum(map(len, self._unsent)) > LARGEST_UNSENT:
            self._flush()
        await self._writable.wait()

    def _flush(self) -> None:
        data, self._unsent = b"".join(self._unsent), []
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close the stream, which ends the supervisor, and with it the container."""
        if self._transport is not None:
            self._transport.abort()

    def said(self) -> str:
        """The last line that the supervisor wrote to its standard error."""
        return (bytes(self._stderr).decode(errors="replace").strip().splitlines() or [""])[-1]


def _create(
    client: "DockerClient", image: str, runtime: str | None, memory_mb: int, disk_mb: int
) -> tuple[str, socket.socket]:
    memory = (memory_mb + SUPERVISOR_MB) << 20
    host = client.api.create_host_config(
        network_mode="none",
        read_only=True,
        cap_drop=["ALL"],
        cap_add=list(CAPABILITIES),
        # docker's AppArmor profile, where there is one, forbids mounts altogether.
        security_opt=["no-new-privileges", "apparmor=unconfined"],
        mem_limit=memory,
        memswap_limit=memory,
        pids_limit=PROCESSES,
        cpu_shares=CPU_SHARES,
        auto_remove=True,
        # What programs print passes through the supervisor's stdout, and must not fill the host's disk.
        log_config={"Type": "none"},
        runtime=runtime,
        ipc_mode="private",
    )
    created = client.api.create_container(
        image,
        command=bundle.command(disk_mb),
        entrypoint=[],
        user="0:0",
        working_dir="/",
        environment={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
        stdin_open=True,
        hostname="sandbox",
        labels={LABEL: str(os.getpid())},
        host_config=host,
    )
    id_: str = created["Id"]
    try:
        attached = client.api.attach_socket(id_, params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
        raw = getattr(attached, "_sock", attached)
        if type(raw) is not socket.socket:
            raise GuerdonError(
                "docker",
                f"the engine at {client.api.base_url} is reached over TLS or ssh, which the sandbox cannot",
                "forward its socket: ssh -L /tmp/docker.sock:/var/run/docker.sock HOST, "
                "and set DOCKER_HOST=unix:///tmp/docker.sock",
            )
        # A descriptor of our own: the docker package closes its with the response.
        connection = socket.socket(fileno=os.dup(raw.fileno()))
        attached.close()
    except BaseException:
        _remove(client, id_)
        raise
    connection.setblocking(False)
    return id_, connection


def _abandon(client: "DockerClient", created: "asyncio.Task[tuple[str, socket.socket]]") -> None:
    if created.exception() is None:
        id_, connection = created.result()
        connection.close()
        _remove(client, id_)


def _remove(client: "DockerClient", id_: str) -> None:
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        client.api.remove_container(id_, force=True)
    except (DockerException, RequestException, OSError):
        pass  # it is gone already, or the engine is; its supervisor ends with the stream
