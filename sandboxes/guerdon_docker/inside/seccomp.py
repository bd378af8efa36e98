"""The program's own system call filter: against leaving its namespaces, and the kernel's rarer parts.

A deny list, since the engine's profile is an allow list already; that profile opens up with the supervisor's
CAP_SYS_ADMIN, and this filter closes it again for programs. Classic BPF, see seccomp(2).
"""

import ctypes
import errno
import platform
import struct

ALLOW, KILL = 0x7FFF0000, 0x80000000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24
_LOAD, _EQUAL, _AT_LEAST, _ANY_OF, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06

NAMESPACES = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000
"""Every CLONE_NEW* flag that clone(2) takes."""
FAMILIES = (1, 2, 10)
"""AF_UNIX, AF_INET and AF_INET6. Others, such as AF_VSOCK, are not all kept apart by a network namespace."""
TERMINAL_INJECTIONS = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX."""

X86_64 = 0xC000003E
AARCH64 = 0xC00000B7
_MACHINES = {"x86_64": X86_64, "aarch64": AARCH64}

# By name: the number on x86_64, and on aarch64 (None where there is no such call).
DENIED: "dict[str, tuple[int, int | None]]" = {
    "_sysctl": (156, None),
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "memfd_secret": (447, 447),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
_CLONE, _CLONE3, _SOCKET, _SOCKETPAIR, _IOCTL = (56, 220), (435, 435), (41, 198), (53, 199), (16, 29)
UNKNOWN = 451
"""Calls from here on are newer than this list, and every C library does without them. The x32 ones are higher still."""


def compiled(machine: str = "") -> bytes:
    """The filter for this machine (as `uname -m` names it), as an array of `struct sock_filter`."""
    machine = machine or platform.machine()
    if machine not in _MACHINES:
        raise RuntimeError(f"there is no system call filter for {machine}; known: {', '.join(_MACHINES)}")
    architecture, column = _MACHINES[machine], list(_MACHINES).index(machine)
    refused = _errno(errno.EPERM)
    code = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, KILL)]
    code += [(_LOAD, 0, 0, _NUMBER), (_AT_LEAST, 0, 1, UNKNOWN), (_RETURN, 0, 0, _errno(errno.ENOSYS))]
    for numbers in DENIED.values():
        if numbers[column] is not None:
            code += [(_EQUAL, 0, 1, numbers[column] or 0), (_RETURN, 0, 0, refused)]
    # glibc falls back to clone, whose flags a filter can see.
    code += [(_EQUAL, 0, 1, _CLONE3[column]), (_RETURN, 0, 0, _errno(errno.ENOSYS))]
    code += [(_EQUAL, 0, 4, _CLONE[column]), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_ANY_OF, 0, 1, NAMESPACES)]
    code += [(_RETURN, 0, 0, refused), (_RETURN, 0, 0, ALLOW)]
    for call in (_SOCKET, _SOCKETPAIR):
        code += [(_EQUAL, 0, 3 + len(FAMILIES), call[column]), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
        code += [(_EQUAL, len(FAMILIES) - number, 0, family) for number, family in enumerate(FAMILIES)]
        code += [(_RETURN, 0, 0, _errno(errno.EAFNOSUPPORT)), (_RETURN, 0, 0, ALLOW)]
    code += [(_EQUAL, 0, 4, _IOCTL[column]), (_LOAD, 0, 0, _SECOND_ARGUMENT)]
    code += [(_EQUAL, 1 - number, 0 if number == 0 else 1, one) for number, one in enumerate(TERMINAL_INJECTIONS)]
    code += [(_RETURN, 0, 0, refused), (_RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


class Filter:
    """The filter of this machine, ready to be installed in one call."""

    def __init__(self) -> None:
        program = compiled()
        self._buffer = ctypes.create_string_buffer(program, len(program))
        self._header = struct.pack("@HP", len(program) // 8, ctypes.addressof(self._buffer))

    def install(self, libc: ctypes.CDLL) -> None:
        """Put the calling thread, and all that it starts, under it. There is no way back. Raises OSError."""
        if libc.prctl(22, 2, self._header, 0, 0) != 0:  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
            raise OSError(ctypes.get_errno(), "cannot install the system call filter")


def _errno(number: int) -> int:
    return 0x00050000 | number
