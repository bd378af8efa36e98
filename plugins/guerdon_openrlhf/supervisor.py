"""A process that owns all that a command starts: when it is told to stop, or its starter is gone, nothing is left.

`python -m guerdon_openrlhf.supervisor COMMAND…`, with a pipe as its standard input. The end of the pipe, or SIGTERM,
ends the command and every process that came of it, also those that have gone into sessions of their own (Ray's), and
no other. Its exit code is the command's.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
GRACE_SECONDS = 8.0
"""For a command to end by itself: Ray's driver then ends Ray."""
STOPPED = 143


def main(command: Sequence[str]) -> int:
    """Run the command to its end, or to ours."""
    libc = ctypes.CDLL(None, use_errno=True)
    # Whoever loses its parent becomes a child of this process.
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    stop = threading.Event()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=_until_the_end_of_input, args=(stop,), daemon=True).start()
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0),  # noqa: PLW1509 - no threads of ours run in it
    )
    while child.poll() is None and not stop.wait(0.1):
        pass
    if child.poll() is None:
        _ask(child)
    ended_by_us = stop.is_set()
    _kill_all()
    child.wait()
    return STOPPED if ended_by_us else child.returncode if child.returncode >= 0 else 128 - child.returncode


def _until_the_end_of_input(stop: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    stop.set()


def _ask(child: "subprocess.Popen[bytes]") -> None:
    child.send_signal(signal.SIGTERM)
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        pass


def _kill_all() -> None:
    """Kill every descendant; what they start meanwhile becomes one too, and is found the next time."""
    while living := descendants(os.getpid()):
        for pid in living:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        _reap()
        time.sleep(0.02)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def descendants(pid: int) -> list[int]:
    """The processes that came of this one and still run."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except OSError:
                continue  # it has just ended
            if state != "Z":
                children.setdefault(int(parent), []).append(int(entry.name))
    found, level = [], [pid]
    while level:
        level = [child for one in level for child in children.get(one, [])]
        found += level
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
