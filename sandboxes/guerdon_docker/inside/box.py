"""A box for one program: namespaces, file systems, a user, limits. Made by root in the container, left by nobody."""

import ctypes
import os
import resource
import signal
import socket
import struct
import time
from typing import NamedTuple, NoReturn

from guerdon_docker.inside import accounts, interpreter, seccomp
from guerdon_docker.inside.accounts import Accounts
from guerdon_docker.inside.frames import MOST_BUSY, unpacked

WORK = "/tmp/work"
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp",
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",
}
INODES = 4096
PROCESSES = 128
OPEN_FILES = 1024
STACK = 256 << 20
"""Bytes that a main thread's stack may grow to. Programs that search deep are honest programs."""
THREAD_STACK = 64 << 20
"""The same for a program that is not forked from here: its threads would each reserve what its main thread may use."""

_CLONE_NEW = 0x00020000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000
"""Mount, uts, ipc, pid and net."""
BUSY_AFTER = 0.1
"""Seconds after which it matters whether the machine was busy."""
REPORT = struct.Struct("<cid")
"""How a program ended, its status as waitpid(2) gives it, and its seconds by the clock while it had a core or waited
for something else than a core."""
ENDED, CPU, WALL, FAILED = b"e", b"c", b"w", b"f"
"""By itself; at one of its limits; or never begun, and then text follows that says why."""

_NEW_MOUNTS = 0x00020000
_CLONE_NUMBER = {"x86_64": 56, "aarch64": 220}
_NOSUID, _NODEV, _NOEXEC, _READONLY, _REC, _PRIVATE, _DETACH = 2, 4, 8, 1, 0x4000, 0x40000, 2
_PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 4, 24, 38

libc = ctypes.CDLL(None, use_errno=True)


def clone() -> int:
    """`fork`, into namespaces of its own. The child is their first process, and all in them ends with it."""
    pid: int = libc.syscall(_CLONE_NUMBER[os.uname().machine], _CLONE_NEW | signal.SIGCHLD, 0, 0, 0, 0)
    if pid < 0:
        raise OSError(ctypes.get_errno(), "cannot make namespaces")
    return pid


def hide_mounts() -> None:
    """In mounts of its own, take away what no program is to see. What comes after begins with a copy of these."""
    if libc.unshare(_NEW_MOUNTS) != 0:
        raise OSError(ctypes.get_errno(), "cannot unshare mounts")
    _mount("none", "/", None, _REC | _PRIVATE)
    with open("/proc/self/mounts", "rb") as file:
        places = [line.split()[1] for line in file]
    for place in reversed(places):
        if place.startswith((b"/sys", b"/proc/", b"/dev/mqueue", b"/dev/shm", b"/dev/pts")):
            libc.umount2(place, _DETACH)


class Furniture(NamedTuple):
    """What is the same in every box of a container."""

    accounts: Accounts
    filter: seccomp.Filter
    disk_mb: int
    cores: int


def give_up_capabilities() -> None:
    """Empty the bounding set: nothing that is forked from here can ever get a capability by running a file."""
    capability = 0
    while libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) == 0:
        capability += 1  # until the kernel knows of no more


def live(
    control: socket.socket, streams: "tuple[int, int, int]", cpu_seconds: float, wall_seconds: float, all_: Furniture
) -> NoReturn:
    """The life of the first process in a box: start the program, and see to it that it ends.

    The program reads its request from `control`, and this process writes to it how the program ended. It forks before
    it does anything else, because whatever it touched would be copied twice.
    """
    program = os.fork()
    if program == 0:
        _become(control, streams, all_)
    try:
        for stream in streams:
            os.close(stream)
        report = _watch(program, all_, cpu_seconds, wall_seconds)
    except BaseException as error:
        report = REPORT.pack(FAILED, 0, 0) + f"{type(error).__name__}: {error}".encode()
    control.send(report)
    os._exit(0)


def _furnish(disk_mb: int) -> None:
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("1000")  # rather a program than the supervisor
    for place in ("/tmp", "/dev/shm"):
        _mount("tmpfs", place, "tmpfs", _NOSUID | _NODEV, f"size={disk_mb}m,nr_inodes={INODES},mode=1777")
    _mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC | _READONLY)
    libc.sethostname(b"sandbox", 7)


def _mount(source: str, target: str, kind: "str | None", flags: int, options: str = "") -> None:
    type_ = kind.encode() if kind else None
    if libc.mount(source.encode(), target.encode(), type_, flags, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"cannot mount {kind or source} on {target}")


def _watch(program: int, all_: Furniture, cpu_seconds: float, wall_seconds: float) -> bytes:
    """Wait for the program's end or for its limits, and reap what else dies here."""
    started, before = time.monotonic(), all_.accounts.cpu()
    used = seconds = 0.0
    while True:
        # No program can use up its time sooner than on all cores at once.
        pause = max(min((cpu_seconds - used) / all_.cores, wall_seconds - seconds), 0.02)
        signal.sigtimedwait((signal.SIGCHLD,), pause)
        seconds = time.monotonic() - started
        if seconds > BUSY_AFTER:
            seconds = max(seconds - _queued_seconds(program), seconds / MOST_BUSY)
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == program:
                return REPORT.pack(ENDED, status, seconds)
            if pid == 0:
                break
        used = accounts.cpu_seconds(all_.accounts.cpu()) - accounts.cpu_seconds(before)
        if used >= cpu_seconds:
            return REPORT.pack(CPU, 0, seconds)
        if seconds >= wall_seconds:
            return REPORT.pack(WALL, 0, seconds)


def _queued_seconds(program: int) -> float:
    """How long the program could have run and got no core, the machine being busy. 0 if the kernel does not say."""
    try:
        with open(f"/proc/{program}/schedstat") as file:
            return int(file.read().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0


def _become(control: socket.socket, streams: "tuple[int, int, int]", all_: Furniture) -> NoReturn:
    """Furnish the box, give up all that root has, and become the program."""
    try:
        facts, body = unpacked(_request(control))
        command = [str(one) for one in facts["command"]]  # type: ignore[attr-defined]
        is_python = command[0] in ("python3", "python") and len(command) > 1 and not command[1].startswith("-")
        user = int(facts["user"])  # type: ignore[call-overload]
        _furnish(all_.disk_mb)
        os.setsid()
        _limit(float(facts["cpu_seconds"]), STACK if is_python else THREAD_STACK)  # type: ignore[arg-type]
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)  # or /dev/stdin could not be opened
        all_.filter.install(libc)
    except BaseException as error:
        control.send(REPORT.pack(FAILED, 0, 0) + f"{type(error).__name__}: {error}".encode())
        os._exit(126)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    os.closerange(3, 1 << 20)
    try:
        os.umask(0o022)
        _unpack(facts["files"], body)  # type: ignore[arg-type]
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
    except BaseException as error:
        os.write(2, f"its files do not fit: {type(error).__name__}: {error}\n".encode())
        os._exit(126)
    if is_python:
        interpreter.run(command[1:])
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # what Python ignores
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, ENVIRONMENT)
    except OSError as error:
        os.write(2, f"cannot run {command[0]}: {error.strerror}\n".encode())
    os._exit(127)


def _request(control: socket.socket) -> bytes:
    (length,) = struct.unpack("<I", control.recv(4, socket.MSG_WAITALL))
    return control.recv(length, socket.MSG_WAITALL)


def _limit(cpu_seconds: float, stack: int) -> None:
    hard = int(cpu_seconds) + 2  # in case that whoever watches is late
    for limit, value in (
        (resource.RLIMIT_CPU, (hard, hard + 1)),
        (resource.RLIMIT_STACK, (stack, STACK)),
        (resource.RLIMIT_NPROC, (PROCESSES, PROCESSES)),
        (resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES)),
        (
            resource.RLIMIT_CORE,
            (1, 1),
        ),  # 0 would still start what the host pipes core dumps to; see core(5) and coredump.c
        (resource.RLIMIT_MEMLOCK, (0, 0)),
        (resource.RLIMIT_MSGQUEUE, (0, 0)),
    ):
        most = resource.getrlimit(limit)[1]
        fits = value if most == resource.RLIM_INFINITY else (min(value[0], most), min(value[1], most))
        resource.setrlimit(limit, fits)


def _unpack(files: "list[tuple[str, int]]", body: bytes) -> None:
    os.mkdir(WORK, 0o755)
    os.chdir(WORK)
    start = 0
    for name, size in files:
        if os.path.dirname(name):
            os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "xb") as file:
            file.write(body[start : start + size])
        # Binaries that were compiled here come back as files.
        os.chmod(name, 0o755)
        start += size
