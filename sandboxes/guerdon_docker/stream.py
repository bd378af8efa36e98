"""The stream to the supervisor in a container."""

import asyncio
import struct

from guerdon_docker.inside.frames import take

LARGEST_UNSENT = 1 << 18
"""Bytes that may wait for the loop to turn."""

_DOCKER_HEAD = struct.Struct(">BxxxI")


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
