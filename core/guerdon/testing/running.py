"""Harmless programs in a sandbox, and what is said where one does not do what it should."""

import textwrap
from collections.abc import Mapping, Sequence

from guerdon.plugs import Sandbox
from guerdon.programs import Finished, Limits, Program

LIMITS = Limits(cpu_seconds=10, wall_seconds=60, memory_mb=512, output_bytes=1 << 20)
"""Enough for every program here that is not meant to meet a limit."""


def python(source: str, files: Mapping[str, bytes] | None = None, arguments: Sequence[str] = ()) -> Program:
    """A Python program of one file, `main.py`, beside others."""
    return Program({"main.py": textwrap.dedent(source).encode(), **(files or {})}, ["python3", "main.py", *arguments])


async def ran(sandbox: Sandbox, program: Program | str, stdin: bytes = b"", limits: Limits = LIMITS) -> Finished:
    """How a program ended that was given all its input at once."""
    started = python(program) if isinstance(program, str) else program
    async with sandbox.start(started, limits) as running:
        if stdin:
            await running.send(stdin)
        return await running.finish()


async def printed(sandbox: Sandbox, program: Program | str, stdin: bytes = b"", limits: Limits = LIMITS) -> str:
    """What a program wrote that must end well."""
    finished = await ran(sandbox, program, stdin, limits)
    ended_well(finished, "a harmless program")
    return finished.stdout.decode(errors="replace").strip()


def ended_well(finished: Finished, what: str) -> None:
    """Raise AssertionError if a program did not end by itself with exit code 0."""
    if (finished.exit_code, finished.signal, finished.cause) != (0, None, None):
        raise AssertionError(f"{what} did not end well: {shown(finished)}")


def expect(held: bool, seen: str, way_out: str) -> None:
    """Raise AssertionError with what was seen and what to do, unless a promise held."""
    if not held:
        raise AssertionError(f"{seen}; {way_out}")


def shown(finished: Finished) -> str:
    """How a program ended, for a person to read."""
    ended = f"exit code {finished.exit_code}, signal {finished.signal}, cause {finished.cause}"
    times = f"{finished.cpu_seconds:.2f} s of CPU, {finished.seconds:.2f} s by the clock"
    return f"{ended}, {times}, stdout {_short(finished.stdout)}, stderr {_short(finished.stderr)}"


def _short(data: bytes) -> str:
    return f"{data!r}" if len(data) <= 400 else f"{data[:60]!r}…{data[-300:]!r} ({len(data)} bytes)"
