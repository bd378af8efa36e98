"""What every sandbox promises of how programs end: honest odd ones pass, and nothing outlives its run."""

import asyncio
import secrets
import time

from guerdon.plugs import Sandbox
from guerdon.programs import Finished
from guerdon.testing.running import LIMITS, ended_well, expect, printed, python, ran, shown

SOON = 10.0
"""Seconds within which something happens that should happen at once, on a machine that is busy."""

ODD = {
    "os._exit after a flush": ("import os, sys\nprint(sum(map(int, input().split())), flush=True)\nos._exit(0)", "7"),
    "output at exit": ("import atexit\natexit.register(print, 'late')", "late"),
    "sys.exit() without a code": ("import sys\nprint(1)\nsys.exit()", "1"),
    "exit()": ("print(1)\nexit()", "1"),
    "/dev/stdin": ("print(open('/dev/stdin').read().strip())", "3 4"),
    "descriptor 0": ("import os\nprint(os.read(0, 100).decode().strip())", "3 4"),
    "/dev/stdout": ("open('/dev/stdout', 'w').write('out')", "out"),
    "input that is not read": ("print('unread')", "unread"),
    "a closed standard output": ("import sys\nprint(1)\nsys.stdout.close()", "1"),
    "a replaced standard output": (
        "import io, sys\nkept, sys.stdout = sys.stdout, io.StringIO()\nprint(2)\nkept.write(sys.stdout.getvalue())",
        "2",
    ),
    "a thread with a stack of 256 MB": (
        """
        import sys, threading
        def deep(n): return n and 1 + deep(n - 1)
        threading.stack_size(256 << 20)
        sys.setrecursionlimit(200_000)
        thread = threading.Thread(target=lambda: print(deep(20_000)))
        thread.start()
        thread.join()
        """,
        "20000",
    ),
    "a thread that is still at work": (
        """
        import threading, time
        threading.Thread(target=lambda: (time.sleep(0.2), print("worked"))).start()
        """,
        "worked",
    ),
    "another Python": (
        "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', 'print(5)'], capture_output=True).stdout)",
        r"b'5\n'",
    ),
    "a shell": ("import os\nos.system('cat | tr 3 9')", "9 4"),
    "a fork": (
        "import os\nif os.fork() == 0:\n    print('child')\nelse:\n    os.wait()\n    print('parent')",
        "child\nparent",
    ),
    "a program that replaces itself": ("import os\nos.execvp('sh', ['sh', '-c', 'echo other'])", "other"),
    "a pool of processes": (
        """
        from multiprocessing import Pool
        def square(n): return n * n
        if __name__ == "__main__":
            with Pool(2) as pool:
                print(pool.map(square, range(4)))
        """,
        "[0, 1, 4, 9]",
    ),
    "temporary files": (
        """
        import tempfile
        with tempfile.NamedTemporaryFile("w+") as file:
            file.write("é" * 1_000_000)
            file.seek(0)
            print(len(file.read()))
        """,
        "1000000",
    ),
    "a pickle of its own class": (
        "import pickle\nclass P:\n    n = 4\nprint(pickle.loads(pickle.dumps(P())).n)",
        "4",
    ),
    "text that is no ASCII": ("print('é☃')\nopen('ü', 'w').write('é☃')\nprint(open('ü').read())", "é☃\né☃"),
    "an alarm": (
        "import signal\nsignal.signal(14, lambda *_: print('rung'))\nsignal.setitimer(0, 0.05)\nsignal.pause()",
        "rung",
    ),
    "a local socket": (
        """
        import socket
        one, other = socket.socketpair()
        one.sendall(b"over")
        print(other.recv(9).decode())
        """,
        "over",
    ),
}
"""Honest programs that careless hardening rejects, and what each prints when its input is "3 4"."""


async def odd_programs_pass(sandbox: Sandbox) -> None:
    """Honest odd programs pass: exits, threads, children, /dev/stdin, replaced streams, temporary files."""
    for what, (source, wanted) in ODD.items():
        finished = await ran(sandbox, source, b"3 4\n")
        ended_well(finished, f"a program with {what}")
        text = finished.stdout.decode(errors="replace").strip()
        expect(text == wanted, f"a program with {what} printed {text!r}", f"{wanted!r} is right: {shown(finished)}")


async def input_may_be_left_unread(sandbox: Sandbox) -> None:
    """A program may end before it has read a mebibyte of input, and what is sent afterwards is dropped."""
    async with sandbox.start(python("print(input())"), LIMITS) as running:
        async with asyncio.timeout(SOON):
            await running.send(b"line\n" + b"x" * (1 << 20))
            heard = await running.receive()
            await asyncio.sleep(0.5)
            await running.send(b"x" * (1 << 20))
            finished = await running.finish()
    ended_well(finished, "a program that does not read all its input")
    expect(heard + finished.stdout == b"line\n", f"it printed {heard + finished.stdout!r}", "its output is whole")


SLEEPER = "import signal, time\nfor n in (1, 2, 3, 13, 15): signal.signal(n, 1)\ntime.sleep(20)"
"""A child that means to stay longer than anybody should wait for it."""


async def nobody_keeps_a_run_open(sandbox: Sandbox) -> None:
    """A child that holds the output open keeps no run open, and is gone afterwards."""
    mark = f"guerdon-{secrets.token_hex(8)}"
    source = f"""
    import os, subprocess, sys
    print("started", flush=True)
    subprocess.Popen([sys.executable, "-c", {SLEEPER!r}, "{mark}"])
    subprocess.Popen([sys.executable, "-c", {SLEEPER!r}], start_new_session=True)
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", {SLEEPER!r}, "{mark}"])
    """
    started = time.monotonic()
    finished = await ran(sandbox, source)
    took = time.monotonic() - started
    ended_well(finished, "a program that leaves sleepers behind")
    expect(finished.stdout == b"started\n", f"it printed {finished.stdout!r}", "its output is whole")
    expect(took < SOON, f"the run took {took:.1f} s", "a run ends with its program, not with the end of its output")
    await nobody_has(sandbox, mark)


async def leaving_ends_the_program(sandbox: Sandbox) -> None:
    """Whoever leaves early, by an exception or cancelled, ends the program, and the next one starts."""
    mark = f"guerdon-{secrets.token_hex(8)}"
    source = """
    import os, time
    os.fork()
    print("here", flush=True)
    time.sleep(100)
    """

    class Left(Exception):
        pass

    async def heard() -> None:
        async with sandbox.start(python(source, arguments=[mark]), LIMITS) as running:
            await running.receive()
            raise Left

    async def waited() -> Finished:
        async with sandbox.start(python(source, arguments=[mark]), LIMITS) as running:
            await running.receive()
            begun.set()
            return await running.finish()

    started = time.monotonic()
    async with sandbox.start(python(source, arguments=[mark]), LIMITS):
        pass
    try:
        await heard()
    except Left:
        pass
    begun = asyncio.Event()
    task = asyncio.create_task(waited())
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    expect(task.cancelled(), "a cancelled finish did not end as one", "let CancelledError pass through the context")
    took = time.monotonic() - started
    expect(took < SOON, f"leaving three programs took {took:.1f} s", "end the program, and do not wait for it")
    await nobody_has(sandbox, mark)


async def nobody_has(sandbox: Sandbox, mark: str) -> None:
    """Raise AssertionError if a process with this argument is still there, where such a thing can be seen at all."""
    source = """
    import os
    mark = input().encode()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if mark in file.read():
                    print(pid)
        except OSError:
            pass
    """
    left = await printed(sandbox, source, mark.encode())
    expect(
        not left, f"processes {left.split()} outlive their program", "end all that it has started, whatever its session"
    )


PROMISES = (odd_programs_pass, input_may_be_left_unread, nobody_keeps_a_run_open, leaving_ends_the_program)
