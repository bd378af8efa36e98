"""`python3 FILE` in the forked interpreter means what it means when Python is started: output, errors, exit code."""
# A script is easier to read on one line.
# ruff: noqa: E501

import asyncio
import re
from collections.abc import Iterator

import pytest

from guerdon import Finished, Limits, Program
from guerdon_docker.docker import Docker

pytestmark = pytest.mark.docker

SCRIPTS = {
    "says hello": "print('hello')",
    "nothing": "",
    "returns a code": "import sys\nprint('so far')\nsys.exit(7)",
    "a large code": "import sys\nsys.exit(256 + 9)",
    "a negative code": "import sys\nsys.exit(-1)",
    "exits with a message": "import sys\nprint('out')\nsys.exit('bye')",
    "exits with None": "import sys\nsys.exit(None)",
    "exit without an import": "print(1)\nexit()",
    "quit with a code": "quit(3)",
    "raises": "def f():\n    return 1 / 0\nf()",
    "raises from another": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('no') from e",
    "does not parse": "def f(:\n    pass",
    "a tab error": "if 1:\n\tx = 1\n        y = 2",
    "another encoding": "# -*- coding: latin-1 -*-\nprint('caf\xe9')",
    "reads all": "import sys\nprint(sys.stdin.read().upper())",
    "reads lines": "for line in open(0):\n    print(line.strip()[::-1])",
    "reads past the end": "print(input())\nprint(input())\nprint(input())\nprint(input())",
    "is main": "print(__name__, __file__)\nif __name__ == '__main__':\n    print('main')",
    "has arguments": "import sys\nprint(sys.argv)",
    "has its directory on the path": "import sys\nprint(sys.path[0])",
    "imports its neighbour": "import neighbour\nprint(neighbour.answer)",
    "pickles its own class": (
        "import pickle\nclass A:\n    x = 1\nprint(pickle.loads(pickle.dumps(A())).x, A.__module__)"
    ),
    "a dataclass and an annotation": (
        "from __future__ import annotations\nfrom dataclasses import dataclass\nimport typing\n"
        "@dataclass\nclass P:\n    x: int\nprint(P(1), typing.get_type_hints(P))"
    ),
    "atexit": "import atexit\natexit.register(print, 'last')\natexit.register(print, 'last but one')\nprint('first')",
    "atexit raises": "import atexit\natexit.register(lambda: 1 / 0)\nprint('first')",
    "a destructor": "class A:\n    def __del__(self):\n        print('gone')\na = A()\nprint('here')",
    "a destructor in a cycle": (
        "class A:\n    def __del__(self):\n        print('gone')\na = A()\na.me = a\ndel a\nprint('here')"
    ),
    "a destructor that needs a global": (
        "import sys\nname = 'x'\nclass A:\n    def __del__(self):\n        print('gone', name, len([1]), sys is None)\na = A()"
    ),
    "destructors in order": (
        "class A:\n    def __init__(self, n): self.n = n\n    def __del__(self): print(self.n)\na, _b, c = A('a'), A('b'), A('c')"
    ),
    "input with carriage returns": "import sys\nprint(ascii(sys.stdin.read()))\nprint('a\\r\\nb')",
    "an object that lies about its class": (
        "class A:\n    @property\n    def __class__(self):\n        print('asked')\n        raise ValueError\na = A()\n"
        "f = open(1, 'w', closefd=False)\nf.write('written')"
    ),
    "a stream of its own that is never closed": (
        "import io\nclass S(io.StringIO):\n    def flush(self):\n        print('flushed')\ns = S()\ns.write('x')"
    ),
    "its streams set up anew": (
        "import sys\nsys.stdout.reconfigure(encoding='latin-1', line_buffering=True)\nsys.stdin.reconfigure(errors='replace')\n"
        "print('caf\\xe9', sys.stdin.read(), sys.stdout.seekable(), sys.stdin.seekable())"
    ),
    "a huge exit code": "import sys\nsys.exit(2 ** 70)",
    "the names of its streams": "import sys\nprint(sys.stdin.name, sys.stdout, sys.stderr.name)",
    "annotations of its own": "x: int = 3\nprint(__annotations__)",
    "an open file": "f = open(1, 'w', closefd=False)\nf.write('written')\n",
    "an open file in a cycle": "class A: pass\na = A()\na.f = open(1, 'w', closefd=False)\na.a = a\na.f.write('w')",
    "stdout replaced": "import io, sys\nsys.stdout = io.TextIOWrapper(io.FileIO(1, 'w', closefd=False))\nprint('x')",
    "stdout of its own": "import sys\nclass O:\n    def write(self, s): pass\nsys.stdout = O()\nprint('x')",
    "stdout closed": "import sys\nprint('x')\nsys.stdout.flush()\nsys.stdout.close()",
    "stdout kept back": "import sys, os\nsys.stdout.write('late ')\nos.write(1, b'early ')",
    "leaves at once": "import os\nprint('lost')\nos._exit(3)",
    "leaves at once after a flush": "import os\nprint('kept', flush=True)\nos._exit(0)",
    "a thread that goes on": "import threading, time\nthreading.Thread(target=lambda: (time.sleep(.1), print('t'))).start()\nprint('m')",
    "a daemon thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()\nprint('m')",
    "a thread that raises": "import threading\nt = threading.Thread(target=lambda: 1 / 0)\nt.start()\nt.join()\nprint('m')",
    "an interrupt": "raise KeyboardInterrupt",
    "kills itself": "import os, signal\nos.kill(os.getpid(), signal.SIGTERM)",
    "aborts": "import os\nos.abort()",
    "a fork": "import os\npid = os.fork()\nif pid == 0:\n    print('child')\nelse:\n    os.waitpid(pid, 0)\n    print('parent')",
    "processes": (
        "from multiprocessing import get_context\ndef f(x):\n    return x * x\n"
        "if __name__ == '__main__':\n    with get_context('fork').Pool(2) as p:\n        print(p.map(f, [1, 2, 3]))"
    ),
    "spawned processes": (
        "from multiprocessing import get_context\ndef f(q):\n    q.put(5)\n"
        "if __name__ == '__main__':\n    c = get_context('spawn')\n    q = c.Queue()\n    p = c.Process(target=f, args=(q,))\n"
        "    p.start()\n    print(q.get())\n    p.join()"
    ),
    "itself again": "import subprocess, sys\nprint(subprocess.check_output([sys.executable, '-c', 'print(6)']))",
    "deep recursion": "import sys\nsys.setrecursionlimit(20000)\ndef f(n):\n    return 0 if n == 0 else 1 + f(n - 1)\nprint(f(15000))",
    "endless recursion": "def f():\n    return f()\ntry:\n    f()\nexcept RecursionError as e:\n    print(e)",
    "an exception hook": "import sys\nsys.excepthook = lambda *a: print('hooked', a[0].__name__)\n1 / 0",
    "stderr": "import sys\nprint('e', file=sys.stderr)\nprint('o')",
    "a warning": "import warnings\nwarnings.warn('careful')\nprint('o')",
    "undecodable input": "import sys\nprint(ascii(sys.stdin.read()))",
    "unencodable output": "print('\\udcff')",
    "builtins shadowed": "print = len\nlist = None\ninput = 3\n",
    "sys.exit in a finally": "import sys\ntry:\n    1 / 0\nfinally:\n    sys.exit(4)",
    "a generator's exit": "raise GeneratorExit",
    "asyncio": "import asyncio\nasync def m():\n    await asyncio.sleep(0)\n    print('a')\nasyncio.run(m())",
    "modules": "import sys\nprint([name for name in sys.modules if 'guerdon' in name])",
    "a signal handler": "import signal, os\nsignal.signal(signal.SIGUSR1, lambda *a: print('usr1'))\nos.kill(os.getpid(), 10)",
}
ADDRESS = re.compile(rb"0x[0-9a-f]+")
FILES = {"neighbour.py": b"answer = 42"}
INPUT = b"one two\r\nthree\n\xff\n"


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with asyncio.Runner() as runner:
        yield runner.get_loop()


@pytest.fixture(scope="module")
def sandbox(loop: asyncio.AbstractEventLoop) -> Iterator[Docker]:
    made = Docker(size=1)
    loop.run_until_complete(made.open())
    yield made
    loop.run_until_complete(made.close())


async def ran(sandbox: Docker, script: str, command: list[str]) -> Finished:
    files = {**FILES, "main.py": script.encode("latin-1" if "latin-1" in script else "utf-8")}
    async with sandbox.start(Program(files, command), Limits(10, 30)) as running:
        await running.send(INPUT)
        return await running.finish()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_forked_interpreter_means_what_a_started_one_means(
    name: str, sandbox: Docker, loop: asyncio.AbstractEventLoop
) -> None:
    script = SCRIPTS[name]
    forked = loop.run_until_complete(ran(sandbox, script, ["python3", "main.py", "a", "-b"]))
    started = loop.run_until_complete(ran(sandbox, script, ["env", "python3", "main.py", "a", "-b"]))
    assert forked.stdout == started.stdout
    assert (forked.exit_code, forked.signal, forked.cause) == (started.exit_code, started.signal, started.cause)
    assert ADDRESS.sub(b"", forked.stderr) == ADDRESS.sub(b"", started.stderr)
