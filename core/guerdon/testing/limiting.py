"""What every sandbox promises of limits on time and output: the right one ends a program, and soon."""

import asyncio
from dataclasses import replace

from guerdon.plugs import Sandbox
from guerdon.programs import Finished
from guerdon.testing.running import LIMITS, ended_well, expect, python, ran, shown

SLACK = 5.0
"""Seconds that a program may go on beyond its limit, on a machine that is busy."""

SPINNERS = {
    "spins": "while True: pass",
    "ignores SIGXCPU and spins": """
        import signal
        for number in range(1, 32):
            try:
                signal.signal(number, signal.SIG_IGN)
            except OSError:
                pass
        while True:
            pass
        """,
    "spins in one C call": "print(len(str(3 ** (10 ** 9))))",
}


async def cpu_time_is_limited(sandbox: Sandbox) -> None:
    """CPU time is limited, and time asleep does not count."""
    for what, source in SPINNERS.items():
        limits = replace(LIMITS, cpu_seconds=1)
        finished = await ran(sandbox, source, limits=limits)
        ended_by("cpu", finished, f"a program that {what}")
        expect(
            0.5 < finished.cpu_seconds < 1 + SLACK,
            f"a program that {what} had {finished.cpu_seconds:.1f} s where 1 s was allowed: {shown(finished)}",
            "SIGXCPU may be ignored, SIGKILL not",
        )
    asleep = await ran(sandbox, "import time; time.sleep(2)", limits=replace(LIMITS, cpu_seconds=1))
    ended_well(asleep, "a program that sleeps longer than its CPU limit")
    expect(asleep.cpu_seconds < 1 and asleep.seconds > 1.9, shown(asleep), "tell CPU time and time by the clock apart")


async def time_by_the_clock_is_limited(sandbox: Sandbox) -> None:
    """Time by the clock is limited for what sleeps, ignores signals, or waits for input that never comes."""
    limits = replace(LIMITS, wall_seconds=1.5)
    stubborn = "import signal, time\nfor n in (1, 2, 3, 15): signal.signal(n, signal.SIG_IGN)\ntime.sleep(100)"
    for what, source in (("sleeps", "import time; time.sleep(100)"), ("ignores signals", stubborn)):
        finished = await ran(sandbox, source, limits=limits)
        ended_by("wall", finished, f"a program that {what}")
        _soon(finished, what)
    async with sandbox.start(python("print('what?', flush=True)\ninput()"), limits) as running:
        async with asyncio.timeout(1.5 + SLACK):
            heard = await running.receive()
            while more := await running.receive():
                heard += more
        finished = await running.finish()
    ended_by("wall", finished, "a program that waits for input")
    expect(heard == b"what?\n", f"{heard!r} was received", "what it had written is handed over")
    _soon(finished, "waits for input")


async def output_is_limited(sandbox: Sandbox) -> None:
    """Output beyond the limit ends the program and is cut; the limit itself may be reached."""
    limits = replace(LIMITS, output_bytes=100_000)
    flood = "import os\nfor _ in range(10_000):\n    os.write(1, b'0123456789' * 1000)"
    finished = await ran(sandbox, flood, limits=limits)
    ended_by("output", finished, "a program that writes a thousand times its limit")
    expect(
        finished.stdout == b"0123456789" * 10_000,
        f"{len(finished.stdout)} bytes were kept where {limits.output_bytes} were allowed",
        "keep what was allowed, and cut the rest",
    )
    exact = await ran(sandbox, "print('x' * 99_999)", limits=limits)
    ended_well(exact, "a program that writes as much as it may")
    expect(len(exact.stdout) == 100_000, f"{len(exact.stdout)} bytes were kept", "the limit itself may be reached")


def ended_by(cause: str, finished: Finished, what: str) -> None:
    """Raise AssertionError if it was not this limit that ended a program."""
    expect(
        finished.cause == cause and finished.exit_code is None,
        f"{what} ended with {shown(finished)}",
        f"end it, give the cause {cause!r}, and no exit code",
    )


def _soon(finished: Finished, what: str) -> None:
    expect(
        1 < finished.seconds < 1.5 + SLACK,
        f"a program that {what} was ended after {finished.seconds:.1f} s where 1.5 s were allowed",
        "a wall-clock limit is SIGKILL to all of it",
    )


PROMISES = (cpu_time_is_limited, time_by_the_clock_is_limited, output_is_limited)
