"""Programs a second: the warm pool beside cold containers and beside bare subprocesses, in rounds that alternate.

The bare subprocess has no isolation at all: it is what isolation would cost if it cost nothing.
"""

import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from corpora import code_rollout
from report import Line

from guerdon import Mixture, Program, Sandbox, Term
from guerdon.plugs import opened
from guerdon_code import UnitTests
from guerdon_docker import Docker

CONCURRENCY = 4
ROUNDS = 5
PROGRAMS = 240
COLD = 8
PROBLEMS = 24
CASES = 10
PROGRAM = "a, b = map(int, input().split())\nprint(sum(n * n for n in range(a, b)))\n"
PYTHON = shutil.which("python3", path="/usr/bin") or os.path.realpath(sys.executable)
"""The system's own, outside of any environment: what stands in a site-packages can triple the time that Python takes to
start, which would flatter us."""

Measure = Callable[[], Awaitable[float]]
"""Does some work, and says how much of it was done per second."""


def code_speed_lines() -> list[Line]:
    """Trivial programs, and problems of ten cases."""
    return asyncio.run(_lines())


async def _lines() -> list[Line]:
    with tempfile.TemporaryDirectory() as place:
        bare = Path(place) / "prog.py"
        bare.write_text(PROGRAM)
        sandbox = Docker(size=CONCURRENCY)
        async with opened(sandbox):
            await _warm(sandbox)
            warm, cold, plain = await _alternate(lambda: _warm(sandbox), lambda: _cold(sandbox), lambda: _bare(bare))
        async with Mixture([Term("code", UnitTests(sandbox=Docker(size=CONCURRENCY)))]) as mixture:
            await _judged(mixture)
            judged, compared = await _alternate(lambda: _judged(mixture), lambda: _compared(bare))
    beside_cold, beside_bare = _ratio(warm, cold), _ratio(warm, plain)
    ten = _ratio(judged, compared)
    return [
        Line(
            f"code, trivial programs a second, {CONCURRENCY} at a time",
            f"{statistics.median(warm):.0f}",
            f"bare subprocess {statistics.median(plain):.0f}",
            f"{beside_bare:.2f} ×",
            "≥ 1.0 ×",
            beside_bare >= 1.0,
        ),
        Line(
            "code, the same beside a container for each program",
            f"{statistics.median(warm):.0f}",
            f"cold run {statistics.median(cold):.1f}",
            f"{beside_cold:.0f} ×",
            "≥ 40 ×",
            beside_cold >= 40,
        ),
        Line(
            f"code, problems of {CASES} stdio cases a second",
            f"{statistics.median(judged):.1f}",
            f"bare subprocess {statistics.median(compared):.1f}",
            f"{ten:.2f} ×",
            "≥ 0.8 ×",
            ten >= 0.8,
        ),
    ]


async def _alternate(*measures: Measure) -> list[list[float]]:
    """Each measure once a round, in an order that turns, so that noise hits all alike."""
    found: list[list[float]] = [[] for _ in measures]
    for number in range(ROUNDS):
        for i in range(len(measures)):
            turn = (number + i) % len(measures)
            found[turn].append(await measures[turn]())
    return found


def _ratio(ours: list[float], theirs: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def _numbers(i: int) -> tuple[str, str]:
    a, b = i % 7, i % 7 + i % 20
    return f"{a} {b}\n", f"{sum(n * n for n in range(a, b))}\n"


async def _warm(sandbox: Sandbox) -> float:
    program = Program({"prog.py": PROGRAM.encode()}, ["python3", "prog.py"])

    async def one(i: int) -> None:
        given, expected = _numbers(i)
        async with sandbox.start(program, sandbox.limits) as running:
            await running.send(given.encode())
            finished = await running.finish()
        _expect(finished.stdout, expected)

    return await _rate((one(i) for i in range(PROGRAMS)), PROGRAMS)


async def _bare(path: Path) -> float:
    return await _rate((_bare_run(path, i) for i in range(PROGRAMS)), PROGRAMS)


async def _bare_run(path: Path, i: int) -> None:
    given, expected = _numbers(i)
    _expect(await _piped([PYTHON, str(path)], given), expected)


async def _piped(command: list[str], given: str) -> bytes:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    written, _ = await child.communicate(given.encode())
    return written


async def _cold(sandbox: Docker) -> float:
    command = ["docker", "run", "--rm", "-i", "--network", "none", "--user", "nobody", sandbox.image]

    async def one(i: int) -> None:
        given, expected = _numbers(i)
        _expect(await _piped([*command, "python3", "-c", PROGRAM], given), expected)

    return await _rate((one(i) for i in range(COLD)), COLD)


async def _judged(mixture: Mixture) -> float:
    rollouts = [code_rollout(_problem(i)) for i in range(PROBLEMS)]
    started = time.monotonic()
    totals = await mixture.score(rollouts)
    seconds = time.monotonic() - started
    assert all(total.value == 1 for total in totals), [total.reason for total in totals]
    return PROBLEMS / seconds


async def _compared(path: Path) -> float:
    async def problem(i: int) -> None:
        for case in range(CASES):
            await _bare_run(path, CASES * i + case)

    return await _rate((problem(i) for i in range(PROBLEMS)), PROBLEMS)


def _problem(i: int) -> dict[str, Any]:
    pairs = (_numbers(CASES * i + case) for case in range(CASES))
    cases = [{"input": given, "output": expected} for given, expected in pairs]
    return {"id": str(i), "kind": "stdio", "language": "python", "program": PROGRAM, "tests": {"cases": cases}}


async def _rate(work: Iterable[Coroutine[Any, Any, None]], amount: int) -> float:
    """How much of it is done per second, CONCURRENCY at a time."""
    left = iter(work)

    async def worker() -> None:
        for one in left:
            await one

    started = time.monotonic()
    async with asyncio.TaskGroup() as workers:
        for _ in range(CONCURRENCY):
            workers.create_task(worker())
    return amount / (time.monotonic() - started)


def _expect(written: bytes, expected: str) -> None:
    if written.split() != expected.encode().split():
        raise RuntimeError(f"expected {expected!r}, got {written!r}")
