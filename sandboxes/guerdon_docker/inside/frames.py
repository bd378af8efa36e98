"""What travels between the host and the supervisor: a kind, the number of the run that it belongs to, and bytes.

Host to supervisor: RUN (a request), INPUT, END (of input), KILL. Back: READY, OUTPUT, FINISHED.
"""

import json
import struct
from collections.abc import Mapping

RUN, INPUT, END, KILL = b"R", b"I", b"E", b"K"
READY, OUTPUT, FINISHED = b"Y", b"O", b"F"

MOST_BUSY = 3.0
"""A program may take this many times its wall-clock limit where a busy machine gives it no core."""

_HEAD = struct.Struct("<cII")
_LENGTH = struct.Struct("<I")


def frame(kind: bytes, run: int, payload: bytes = b"") -> bytes:
    """One frame."""
    return _HEAD.pack(kind, run, len(payload)) + payload


def take(buffer: bytearray) -> "tuple[bytes, int, bytes] | None":
    """The first frame in the buffer, which it leaves; None while it is not complete."""
    if len(buffer) < _HEAD.size:
        return None
    kind, run, length = _HEAD.unpack_from(buffer)
    end = _HEAD.size + length
    if len(buffer) < end:
        return None
    payload = bytes(memoryview(buffer)[_HEAD.size : end])
    del buffer[:end]
    return kind, run, payload


def packed(facts: "Mapping[str, object]", rest: bytes = b"") -> bytes:
    """A JSON object and the bytes that go with it."""
    head = json.dumps(facts).encode()
    return _LENGTH.pack(len(head)) + head + rest


def unpacked(payload: bytes) -> "tuple[dict[str, object], bytes]":
    """`packed`, undone."""
    end = _LENGTH.size + _LENGTH.unpack_from(payload)[0]
    facts = json.loads(payload[_LENGTH.size : end])
    return facts, payload[end:]
