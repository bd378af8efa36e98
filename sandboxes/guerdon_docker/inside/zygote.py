"""The process that programs are forked from: Python with its usual modules loaded, and nothing of any request in it.

A program could search its own memory, which began as a copy of its parent's. So nothing that is sent in for one run
ever passes through here: the child itself reads its request.
"""

import contextlib
import gc
import importlib
import os
import signal
import socket
import struct
import sys
from typing import NoReturn

from guerdon_docker.inside import box, interpreter, seccomp
from guerdon_docker.inside.accounts import Accounts

# fmt: off
USUAL = [
    "array", "bisect", "cmath", "codecs", "collections", "copy", "dataclasses", "datetime", "decimal", "enum",
    "fractions", "functools", "hashlib", "heapq", "inspect", "io", "itertools", "json", "math", "numbers",
    "operator", "os", "queue", "random", "re", "signal", "socket", "statistics", "string", "struct", "sys",
    "threading", "time", "traceback", "types", "typing",
]
# fmt: on
"""What programs import most. More would make every fork slower: a process is copied with all that it holds."""
PYTEST = ["pytest", "_pytest.assertion.rewrite", "_pytest.capture", "_pytest.python", "_pytest.terminal", "unittest"]
"""For commands that name pytest, which takes longer to import than most tests to run."""

BOX, SIBLING = b"b", b"s"
"""What a zygote is asked for: a box, with its stdin, stdout, stderr and control socket; or another zygote that has
loaded PYTEST too, with the channel that it will serve."""
ASKED = struct.Struct("<cdd")
"""What is asked for, and the CPU and wall-clock seconds of a box."""
PID = struct.Struct("<i")
WAIT = struct.Struct("<i")
"""How the first process of a box ended, as waitpid(2) says."""


def serve(channel: socket.socket, disk_mb: int) -> NoReturn:
    """Become the first zygote. Says that it is ready, and ends with the channel."""
    accounts = Accounts()
    box.hide_mounts()
    box.give_up_capabilities()
    furniture = box.Furniture(accounts, seccomp.Filter(), disk_mb, len(os.sched_getaffinity(0)))
    _reset_signals()
    os.environ.clear()
    os.environ.update(box.ENVIRONMENT)
    # What is done here is not done by every program; and what is referenced here is not taken down by every program.
    interpreter.make_streams()
    _kept = [sys.modules.pop(name) for name in list(sys.modules) if name.startswith("guerdon_docker")]
    modules = USUAL
    while True:
        for name in modules:
            with contextlib.suppress(ImportError):  # an image may lack it
                importlib.import_module(name)
        gc.collect()
        gc.freeze()
        channel.send(b"ready")
        channel, modules = _serve(channel, furniture), PYTEST


def _reset_signals() -> None:
    """As Python has them, whatever the engine was started under; and a box's first process waits for SIGCHLD."""
    for number in signal.valid_signals() - {signal.SIGPIPE, signal.SIGXFSZ}:
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGCHLD])


def _serve(channel: socket.socket, furniture: box.Furniture) -> socket.socket:
    """Fork what is asked for. Returns in a sibling only, with its channel."""
    while True:
        message, files, _, _ = socket.recv_fds(channel, ASKED.size, 4)
        if not message:
            os._exit(0)
        asked, cpu_seconds, wall_seconds = ASKED.unpack(message)
        if asked == SIBLING:
            if os.fork() == 0:
                channel.close()
                return socket.socket(fileno=files[0])
            os.close(files[0])
            continue
        pid = box.clone()
        if pid == 0:
            control = socket.socket(fileno=files[3])
            box.live(control, (files[0], files[1], files[2]), cpu_seconds, wall_seconds, furniture)
        for file in files:
            os.close(file)
        channel.send(PID.pack(pid))
        channel.send(WAIT.pack(os.waitpid(pid, 0)[1]))
