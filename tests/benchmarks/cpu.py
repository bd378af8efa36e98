"""CPU time of this process and of everything that it started, dead or alive."""

import os
import resource
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


def tree_cpu_seconds() -> float:
    """User and system time of this process, its living descendants, and the dead ones that were waited for."""
    own = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    waited = sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    return own + waited + sum(process_cpu_seconds(child) for child in children(os.getpid()))


def process_cpu_seconds(pid: int) -> float:
    """User and system time of a process and its descendants, those that were waited for included."""
    try:
        # The name may hold spaces and parentheses; the times come after the last one (proc(5): fields 14 to 17).
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return sum(map(int, fields[11:15])) / TICK + sum(process_cpu_seconds(child) for child in children(pid))


def children(pid: int) -> list[int]:
    """The processes that a process has started, while they live."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found
