"""What lives: processes as /proc tells of them."""

import os
import time
from collections.abc import Callable, Iterable


def stat(pid: int) -> tuple[str, int] | None:
    """A process's state and its parent; None if there is none."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            state, parent = file.read().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return state, int(parent)


def everyone() -> list[int]:
    """All process ids."""
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def below(root: int) -> set[int]:
    """A process's descendants, zombies too."""
    parents = {pid: found[1] for pid in everyone() if (found := stat(pid)) is not None}
    found, generation = set(), {root}
    while generation:
        generation = {pid for pid, parent in parents.items() if parent in generation} - found
        found |= generation
    return found


others: set[int] = set()
"""What a test has found here. Mixtures that TRL and verl use, as other tests do, last as long as the process."""


def servers() -> list[int]:
    """The fork servers of this process, but for the others."""
    mine = below(os.getpid()) - others
    return [pid for pid in mine if (found := stat(pid)) and found[1] == os.getpid() and _is_server(pid)]


def workers() -> list[int]:
    """The workers of these."""
    mine = set(servers())
    return [pid for pid in below(os.getpid()) if (found := stat(pid)) and found[1] in mine]


def has_worked(pid: int) -> bool:
    """Whether a process has used CPU time, in the clock's ticks of 10 ms."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            user, system = file.read().rpartition(")")[2].split()[11:13]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return int(user) + int(system) > 0


def alive(pids: Iterable[int]) -> list[int]:
    """Those that are more than zombies of somebody else's."""
    return [pid for pid in pids if (found := stat(pid)) is not None and found[0] != "Z"]


def eventually(true: Callable[[], object], seconds: float) -> bool:
    """Whether something becomes true within this time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def descriptors() -> int:
    """How many files this process has open."""
    return len(os.listdir("/proc/self/fd"))


def _is_server(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"guerdon.forkserver" in file.read()
    except OSError:
        return False
