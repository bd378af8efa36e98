"""What the kernel's control group of the container counts: CPU time, and processes killed for memory."""

import contextlib
import os

_CPU = ("/sys/fs/cgroup/cpuacct/cpuacct.usage", "/sys/fs/cgroup/cpu.stat")
_MEMORY = ("/sys/fs/cgroup/memory/memory.oom_control", "/sys/fs/cgroup/memory.events")


class Accounts:
    """Open files, so that they can still be read where /sys is not to be seen. Version 1 or 2 of control groups.

    Raises OSError where there are none: no limit on CPU time could be kept then.
    """

    def __init__(self) -> None:
        self._cpu = _opened(_CPU, "CPU time")
        self._memory = _opened(_MEMORY, "memory")

    def cpu(self) -> bytes:
        """What the kernel says of CPU time, for `cpu_seconds`: to read it is quick, to understand it is not."""
        return _read(self._cpu)

    def oom_kills(self) -> int:
        """How many processes of the container the kernel has killed for memory."""
        return _field(_read(self._memory), b"oom_kill")


def cpu_seconds(said: bytes) -> float:
    """CPU seconds of all that ever ran in the container, also of what nobody has waited for."""
    if said.strip().isdigit():
        return int(said) / 1e9
    return _field(said, b"usage_usec") / 1e6


def _opened(paths: "tuple[str, ...]", what: str) -> int:
    for path in paths:
        with contextlib.suppress(OSError):
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    raise OSError(f"the container's control group keeps no account of its {what}")


def _read(file: int) -> bytes:
    return os.pread(file, 4096, 0)


def _field(text: bytes, name: bytes) -> int:
    for line in text.splitlines():
        key, _, count = line.partition(b" ")
        if key == name:
            return int(count)
    return 0
