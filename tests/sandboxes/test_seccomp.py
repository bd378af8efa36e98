"""The system call filter names the calls that it means to name."""

import re
from pathlib import Path

import pytest

from guerdon_docker.inside import seccomp

# Of linux-libc-dev, which every C compiler needs.
HEADERS = {
    "x86_64": [Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), Path("/usr/include/asm/unistd_64.h")],
    "aarch64": [Path("/usr/include/asm-generic/unistd.h")],
}
OTHERS = {"clone": (56, 220), "clone3": (435, 435), "socket": (41, 198), "socketpair": (53, 199), "ioctl": (16, 29)}


@pytest.mark.parametrize("machine", HEADERS)
def test_the_numbers_are_the_kernels(machine: str) -> None:
    header = next(path for path in HEADERS[machine] if path.is_file())
    known = dict(re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text()))
    column = list(HEADERS).index(machine)
    for name, numbers in {**seccomp.DENIED, **OTHERS}.items():
        if name in known:
            assert numbers[column] == int(known[name]), name
    # A header of an older kernel lacks the newest calls, and no others.
    assert {name for name, numbers in seccomp.DENIED.items() if name not in known and numbers[column]} <= {
        "memfd_secret",
        "quotactl_fd",
        "mount_setattr",
        "_sysctl",
    }


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_lands_inside_the_filter(machine: str) -> None:
    program = seccomp.compiled(machine)
    length = len(program) // 8
    for place in range(length):
        code, true, false = program[place * 8], program[place * 8 + 2], program[place * 8 + 3]
        if code & 0x07 == 0x05:
            assert place + 1 + max(true, false) < length
    assert program[-8] == 0x06, "the last instruction returns"


def test_another_machine_gets_no_filter_that_fits_it_by_chance() -> None:
    with pytest.raises(RuntimeError, match="riscv64"):
        seccomp.compiled("riscv64")
