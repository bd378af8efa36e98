"""A program in a sandbox: what is run, what it may use, how one talks with it, and how it ended."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Program:
    """Code to run: `files` by relative path, and the command that starts it, run in their directory."""

    files: Mapping[str, bytes]
    command: Sequence[str]


@dataclass(frozen=True)
class Limits:
    """What a program and all that it starts may use together. What goes beyond is ended, and `Finished.cause` says so.

    `cpu_seconds` is the limit that is meant; `wall_seconds` only ends what waits for ever. A busy machine must not fail
    an honest program, so time in which it could have run but got no core should not count as waiting. `output_bytes` is
    of standard output; more is never buffered.
    """

    cpu_seconds: float = 10.0
    wall_seconds: float = 30.0
    memory_mb: int = 512
    output_bytes: int = 1 << 20


STDERR_BYTES = 1 << 14
"""The last bytes of standard error that are kept. A program may write any amount there."""

Cause = Literal["cpu", "wall", "memory", "output"]


@dataclass(frozen=True)
class Finished:
    """How a program ended: by itself with an exit code, by a signal, or by a limit, which `cause` names.

    `stdout` is what `receive` has not handed over, `stderr` the last STDERR_BYTES. `cpu_seconds` is of the program and
    its children, `seconds` by the clock, with or without the time in which a busy machine gave it no core.
    """

    exit_code: int | None
    signal: int | None
    stdout: bytes
    stderr: bytes
    cpu_seconds: float
    seconds: float
    cause: Cause | None


class Running(ABC):
    """A program that a sandbox has started. Any method raises SandboxDied."""

    @abstractmethod
    async def send(self, data: bytes) -> None:
        """Write to its standard input. What a program that has ended does not read is dropped."""

    @abstractmethod
    async def receive(self) -> bytes:
        """What it has written to standard output since; b"" at the end."""

    @abstractmethod
    async def finish(self) -> Finished:
        """Close its input and wait for its end. What it has started ends with it, and cannot keep it from ending."""
