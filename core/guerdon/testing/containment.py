"""What a sandbox promises that holds a program and all that it starts together, whatever it does to get away."""

import secrets
from dataclasses import replace

from guerdon.plugs import Sandbox
from guerdon.testing.endings import SLEEPER, nobody_has
from guerdon.testing.limiting import SLACK, ended_by
from guerdon.testing.running import LIMITS, ended_well, expect, printed, ran, shown

SPINNERS = {
    "spins in four children": """
        import os
        if os.fork() and os.fork() and os.fork() and os.fork():
            os.wait()
        while True:
            pass
        """,
    "spins in one child after another": """
        import os, time
        while True:
            if os.fork() == 0:
                end = time.process_time() + 0.2
                while time.process_time() < end:
                    pass
                os._exit(0)
            os.wait()
        """,
    "spins in children that nobody waits for": """
        import os, signal, time
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            if os.fork() == 0:
                end = time.process_time() + 0.2
                while time.process_time() < end:
                    pass
                os._exit(0)
            try:
                os.wait()
            except ChildProcessError:
                pass
        """,
}


async def cpu_time_is_held_together(sandbox: Sandbox) -> None:
    """CPU time is limited of a program and its children together, dead or alive."""
    for what, source in SPINNERS.items():
        finished = await ran(sandbox, source, limits=replace(LIMITS, cpu_seconds=1, wall_seconds=15))
        ended_by("cpu", finished, f"a program that {what}")
        expect(
            0.5 < finished.cpu_seconds < 1 + SLACK,
            f"a program that {what} had {finished.cpu_seconds:.1f} s where 1 s was allowed: {shown(finished)}",
            "look at the CPU time of all its processes, the dead ones too, ten times a second",
        )


async def memory_is_limited(sandbox: Sandbox) -> None:
    """Memory is limited, of a program and its children together, and what is allowed can be used."""
    limits = replace(LIMITS, memory_mb=192)
    fits = await ran(
        sandbox, "x = bytearray(96 << 20)\nx[::4096] = b'x' * len(x[::4096])\nprint(len(x))", limits=limits
    )
    ended_well(fits, "a program that uses half of its memory")
    # Each stops by itself at twice the limit, so that it is harmless where nothing else stops it.
    alone = """
    kept = []
    for _ in range(384):
        kept.append(bytearray(b"x" * (1 << 20)))
    print("kept it all")
    """
    finished = await ran(sandbox, alone, limits=limits)
    ended_by("memory", finished, "a program that takes twice its memory")
    together = """
    import os, time
    for _ in range(6):
        if os.fork() == 0:
            kept = bytearray(b"x" * (64 << 20))
            time.sleep(3)
            os._exit(0)
    print(sum(os.wait()[1] == 0 for _ in range(6)))
    """
    finished = await ran(sandbox, together, limits=limits)
    if finished.cause != "memory":
        ended_well(finished, "a program whose children take twice its memory")
        expect(
            int(finished.stdout) <= 3,
            f"{finished.stdout.decode().strip()} children kept 64 MiB each where all had 192: {shown(finished)}",
            "limit memory by a control group, not for each process",
        )


async def sessions_end_too(sandbox: Sandbox) -> None:
    """A process that moves to a session of its own, and forgets its parents, is gone afterwards all the same."""
    mark = f"guerdon-{secrets.token_hex(8)}"
    source = f"""
    import os, sys
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for fd in range(3):
                os.dup2(os.open(os.devnull, os.O_RDWR), fd)
            os.execv(sys.executable, [sys.executable, "-c", {SLEEPER!r}, "{mark}"])
        os._exit(0)
    os.wait()
    """
    await printed(sandbox, source)
    await nobody_has(sandbox, mark)


async def files_count_as_memory(sandbox: Sandbox) -> None:
    """Files cannot fill the machine: what is written counts as memory, and there is an end to it."""
    source = """
    import os
    written = 0
    try:
        for place in ("/tmp", "/dev/shm", "."):
            with open(os.path.join(place, "filler"), "wb") as file:
                for _ in range(256):
                    written += file.write(bytes(1 << 20))
    except OSError:
        pass
    print(written >> 20)
    """
    finished = await ran(sandbox, source, limits=replace(LIMITS, memory_mb=128))
    if finished.cause != "memory":
        ended_well(finished, "a program that writes until nothing more fits")
        written = int(finished.stdout)
        expect(written <= 256, f"it wrote {written} MiB where it had 128: {shown(finished)}", "bound its file systems")


PROMISES = (cpu_time_is_held_together, memory_is_limited, sessions_end_too, files_count_as_memory)
