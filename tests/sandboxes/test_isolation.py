"""What a program in a warm container can see and do. Each test runs a program that tries, on a real engine."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import docker
import pytest

from guerdon import Finished, Limits, Program
from guerdon.plugs import opened
from guerdon_docker import Docker

pytestmark = pytest.mark.docker

Ran = Callable[..., Finished]
LIMITS = Limits(cpu_seconds=5, wall_seconds=30, memory_mb=256)
SECRET = "marmalade-" + "4711"
PRELUDE = """
import ctypes, errno, json, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(call, *arguments):
    ctypes.set_errno(0)
    result = call(*arguments)
    return "did it" if result != -1 else errno.errorcode[ctypes.get_errno()]
def say(value):
    print(json.dumps(value))
"""


@pytest.fixture(scope="module")
def sandbox() -> Docker:
    return Docker(size=1)


@pytest.fixture(scope="module")
def ran(sandbox: Docker) -> Iterator[Ran]:
    """Runs a program in the one container that there is."""
    with asyncio.Runner() as runner:
        life = opened(sandbox)
        runner.run(life.__aenter__())

        async def run(command: list[str], stdin: bytes, files: Mapping[str, bytes], limits: Limits) -> Finished:
            async with sandbox.start(Program(files, command), limits) as running:
                await running.send(stdin)
                return await running.finish()

        def python(source: str, stdin: bytes = b"", files: Mapping[str, bytes] | None = None) -> Finished:
            everything = {"main.py": source.encode(), **(files or {})}
            return runner.run(run(["python3", "main.py"], stdin, everything, LIMITS))

        yield python
        runner.run(life.__aexit__(None, None, None))


@pytest.fixture
def said(ran: Ran) -> Callable[..., Any]:
    """What a program says of itself, as JSON."""

    def said(source: str, stdin: bytes = b"", files: Mapping[str, bytes] | None = None) -> Any:
        finished = ran(PRELUDE + source, stdin, files)
        assert (finished.exit_code, finished.cause) == (0, None), finished
        return json.loads(finished.stdout)

    return said


@pytest.fixture
def container(ran: Ran) -> Any:
    """The container, as the engine tells of it."""
    client = docker.from_env()
    (one,) = client.containers.list(filters={"label": f"guerdon.sandbox={os.getpid()}"})
    return one


STATUS = """
say({line.partition(":")[0]: line.partition(":")[2].strip() for line in open("/proc/self/status")})
"""


def test_a_program_has_no_rights_and_can_get_none(said: Callable[..., Any]) -> None:
    status = said(STATUS)
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert (status["SigBlk"], status["Threads"], status["Groups"]) == ("0" * 16, "1", "")
    assert len(set(status["Uid"].split())) == len(set(status["Gid"].split())) == 1
    assert int(status["Uid"].split()[0]) > 9999


def test_what_a_command_starts_has_no_more(ran: Ran) -> None:
    """Not only what the zygote forks: what it executes."""
    finished = ran("import os; os.execvp('grep', ['grep', '-E', 'Cap|NoNew|Seccomp:', '/proc/self/status'])")
    lines = dict(line.split(":\t") for line in finished.stdout.decode().splitlines())
    assert {value for name, value in lines.items() if name.startswith("Cap")} == {"0" * 16}
    assert (lines["NoNewPrivs"], lines["Seccomp"]) == ("1", "2")


def test_every_run_is_somebody_else(said: Callable[..., Any]) -> None:
    users = {said("say([os.getuid(), os.getgid()])")[0] for _ in range(12)}
    assert len(users) == 12


def test_signals_are_as_python_and_others_have_them(said: Callable[..., Any], ran: Ran) -> None:
    status = said(STATUS)
    libc_own = 1 << 31 | 1 << 32  # no program can set these two; they are as whoever started the engine had them
    # SIGPIPE and SIGXFSZ, as any Python ignores them
    assert int(status["SigIgn"], 16) & ~libc_own == 1 << 12 | 1 << 24
    assert int(status["SigCgt"], 16) == 1 << 1  # SIGINT
    finished = ran("import os; os.execvp('grep', ['grep', 'SigIgn', '/proc/self/status'])")
    assert int(finished.stdout.split()[1], 16) & ~(libc_own | 1 << 24 | 1 << 12) == 0


def test_a_program_sees_itself_and_an_init(said: Callable[..., Any]) -> None:
    seen = said('say([sorted(int(n) for n in os.listdir("/proc") if n.isdigit()), os.getpid(), os.getppid()])')
    assert seen[0] == sorted({1, seen[1]})
    assert seen[2] == 1


def test_its_first_process_keeps_everything_to_itself(said: Callable[..., Any]) -> None:
    source = """
found = []
listed, linked = ("fd", "fdinfo", "map_files"), ("exe", "cwd", "root", "ns/pid", "ns/mnt")
for name in ("environ", "mem", "maps", "auxv", "io", "stack", *listed, *linked):
    path = "/proc/1/" + name
    try:
        os.listdir(path) if name in listed else os.readlink(path) if name in linked else open(path, "rb").read(1)
        found.append(name)
    except OSError:
        pass
for number in range(1, 65):
    try:
        os.kill(1, number)
        found.append(number)
    except OSError:
        pass
say(found)
"""
    assert said(source) == []


def test_nothing_is_open_but_three_streams(said: Callable[..., Any], ran: Ran) -> None:
    assert said('say([fd for fd in range(4096) if not attempt(libc.fcntl, fd, 1).startswith("EBADF")])') == [0, 1, 2]
    finished = ran("import os; os.execvp('sh', ['sh', '-c', 'ls /proc/$$/fd'])")
    assert {int(fd) for fd in finished.stdout.split()} <= {0, 1, 2, 10, 255}


def test_its_environment_is_its_own(said: Callable[..., Any]) -> None:
    os.environ["GUERDON_SECRET"] = SECRET
    try:
        environment = said("say(dict(os.environ))")
    finally:
        del os.environ["GUERDON_SECRET"]
    assert {"HOME", "PATH", "LANG"} <= set(environment) <= {"HOME", "PATH", "LANG", "TMPDIR", "LC_CTYPE"}
    assert environment["HOME"] == "/tmp"
    assert environment["LANG"] == "C.UTF-8"


def test_its_directory_is_its_own(said: Callable[..., Any]) -> None:
    source = """
here = os.stat(".")
say([here.st_uid == os.getuid(), oct(here.st_mode & 0o777), sorted(os.listdir(".")), oct(os.umask(0)),
     [oct(os.stat(p).st_mode & 0o7777) for p in ("/tmp", "/dev/shm")]])
"""
    assert said(source, files={"a/b": b""}) == [True, "0o755", ["a", "main.py"], "0o22", ["0o1777", "0o1777"]]


def test_temporary_file_systems_are_small(said: Callable[..., Any], sandbox: Docker) -> None:
    source = """
sizes = []
for place in (".", "/tmp", "/dev/shm"):
    known = os.statvfs(place)
    sizes.append([known.f_blocks * known.f_frsize >> 20, known.f_files])
say(sizes)
"""
    for size, inodes in said(source):
        assert size <= sandbox.disk_mb
        assert 0 < inodes <= 1 << 16


def test_everything_else_is_read_only_or_not_there(said: Callable[..., Any]) -> None:
    # One mount may lie on another, and only the upper one counts.
    mounts = said('say({line.split()[1]: line.split()[2:4] for line in open("/proc/self/mounts")})')
    writable = {place for place, (_, options) in mounts.items() if "rw" in options.split(",")}
    assert writable <= {"/tmp", "/dev", "/dev/shm", "/dev/pts"}
    source = """
found = []
for at, directories, names in os.walk("/"):
    if at == "/":
        directories[:] = [n for n in directories if n not in ("proc", "tmp")]
    directories[:] = [n for n in directories if os.path.join(at, n) not in ("/dev/shm", "/dev/pts")]
    try:
        path = os.path.join(at, "made-by-a-program")
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        found.append(at)
    except OSError:
        pass
say(found)
"""
    assert said(source) == []


def test_devices_are_harmless(said: Callable[..., Any]) -> None:
    source = """
import stat
say(sorted(n for n in os.listdir("/dev") if stat.S_ISCHR(m := os.lstat("/dev/" + n).st_mode) or stat.S_ISBLK(m)))
"""
    assert set(said(source)) <= {"full", "null", "random", "tty", "urandom", "zero", "console"}
    assert said('say(attempt(libc.mknod, b"/tmp/disk", 0o60666, 0x800))') == "EPERM"


def test_limits_are_set(said: Callable[..., Any]) -> None:
    source = """
import resource
say({name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")})
"""
    limits = said(source)
    assert limits["RLIMIT_CORE"] == [1, 1]
    assert 0 < limits["RLIMIT_NPROC"][1] <= 256
    assert 0 < limits["RLIMIT_NOFILE"][1] <= 4096
    assert limits["RLIMIT_MEMLOCK"][1] == limits["RLIMIT_MSGQUEUE"][1] == 0
    assert LIMITS.cpu_seconds < limits["RLIMIT_CPU"][1] < LIMITS.cpu_seconds + 5


def test_names_say_nothing_of_the_machine(said: Callable[..., Any]) -> None:
    assert said("say([os.uname().nodename, open('/proc/sys/kernel/domainname').read().strip()])") == [
        "sandbox",
        "(none)",
    ]


@pytest.mark.parametrize(
    ("family", "kind", "protocol"),
    [
        (2, 3, 1),
        (10, 3, 58),
        (17, 3, 3),
        (16, 3, 0),
        (16, 3, 4),
        (15, 3, 2),
        (38, 5, 0),
        (40, 1, 0),
        (30, 5, 0),
        (31, 3, 1),
        (44, 3, 0),
    ],
    ids=["raw", "raw6", "packet", "netlink", "sock_diag", "key", "alg", "vsock", "tipc", "bluetooth", "xdp"],
)
def test_strange_sockets_are_refused(said: Callable[..., Any], family: int, kind: int, protocol: int) -> None:
    # All but the raw ones by the filter, before the kernel has made one.
    refused = ("EPERM",) if family in (2, 10) else ("EAFNOSUPPORT",)
    assert said(f"say(attempt(libc.socket, {family}, {kind}, {protocol}))") in refused
    pair = f"libc.socketpair, {family}, {kind}, {protocol}, (ctypes.c_int * 2)()"
    assert said(f"say(attempt({pair}))") in refused


def test_the_network_is_empty(said: Callable[..., Any]) -> None:
    source = """
read = lambda name: [line.split() for line in open("/proc/net/" + name)][1:]
say([[line[0] for line in read("dev")[1:]], read("route"), read("tcp"), read("udp"), read("unix")])
"""
    assert said(source) == [["lo:"], [], [], [], []]


CALLS = {
    "unshare a user namespace": "libc.unshare, 0x10000000",
    "unshare a time namespace": "libc.unshare, 0x80",
    "setns": "libc.setns, 0, 0",
    "clone3": "libc.syscall, 435, ctypes.c_char_p(bytes([0, 0, 0, 16]) + bytes(84)), 88",
    "open_by_handle_at": "libc.syscall, 304, -100, ctypes.c_char_p(bytes(64)), 0",
    "userfaultfd": "libc.syscall, 323, 1",
    "process_vm_readv": "libc.process_vm_readv, os.getppid(), None, 0, None, 0, 0",
    "process_vm_readv of itself": "libc.process_vm_readv, os.getpid(), None, 0, None, 0, 0",
    "ptrace": "libc.ptrace, 0, 0, 0, 0",
    "bpf": "libc.syscall, 321, 0, ctypes.c_char_p(bytes(128)), 128",
    "perf_event_open": "libc.syscall, 298, ctypes.c_char_p(bytes(128)), 0, -1, -1, 0",
    "io_uring_setup": "libc.syscall, 425, 8, ctypes.c_char_p(bytes(120))",
    "keyctl": "libc.syscall, 250, 0, -3, 0",
    "add_key": 'libc.syscall, 248, b"user", b"x", b"y", 1, -3',
    "mount": 'libc.mount, b"none", b"/tmp", b"tmpfs", 0, None',
    "fsopen": 'libc.syscall, 430, b"tmpfs", 0',
    "open_tree": 'libc.syscall, 428, -100, b"/", 1',
    "mount_setattr": 'libc.syscall, 442, -100, b"/", 0, None, 0',
    "pivot_root": 'libc.syscall, 155, b".", b"."',
    "chroot": 'libc.chroot, b"/"',
    "sethostname": 'libc.sethostname, b"x", 1',
    "personality": "libc.personality, 0x0400000",
    "dmesg": "libc.klogctl, 3, ctypes.create_string_buffer(64), 64",
    "fanotify_init": "libc.syscall, 300, 0, 0",
    "iopl": "libc.iopl, 3",
    "pidfd_getfd": "libc.syscall, 438, 0, 0, 0",
    "x32 getpid": "libc.syscall, 0x40000000 | 39",
    "x32 unshare": "libc.syscall, 0x40000000 | 272, 0x10000000",
}


@pytest.mark.parametrize("call", CALLS)
def test_rare_system_calls_are_refused(ran: Ran, call: str) -> None:
    finished = ran(f"{PRELUDE}say(attempt({CALLS[call]}))")
    # A filter may also kill, as it does where the architecture is another one.
    assert finished.signal == 31 or json.loads(finished.stdout) in ("EPERM", "ENOSYS", "EACCES"), finished


def test_memory_holds_nothing_of_earlier_runs(said: Callable[..., Any], ran: Ran) -> None:
    finished = ran(
        "import sys\nkept = sys.stdin.read() * 100 + open('data').read()\nprint(kept[:9], file=sys.stderr)",
        stdin=SECRET.encode(),
        files={"data": SECRET.encode() * 1000, "other.py": f"x = '{SECRET}'".encode()},
    )
    assert finished.stderr == f"{SECRET[:9]}\n".encode()
    source = """
import gc, re
mark = re.compile(b"marmalade-[4]711")  # which does not match itself
found = searched = 0
with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as mem:
    for line in maps:
        span, rights, *_ = line.split()
        start, end = (int(x, 16) for x in span.split("-"))
        if "r" in rights and "[v" not in line:
            mem.seek(start)
            data = mem.read(end - start)
            searched += len(data)
            found += len(mark.findall(data))
            del data
texts = [one for kept in gc.get_objects() if isinstance(kept, list) for one in kept if isinstance(one, (str, bytes))]
objects = sum(bool(mark.search(one.encode("utf-8", "replace") if isinstance(one, str) else one)) for one in texts)
say([found, objects, searched])
"""
    found, objects, searched = said(source)
    assert (found, objects) == (0, 0)
    assert searched > 1 << 22
    # The search finds what is there to be found.
    assert said(source.replace("found = searched", "kept = 'marmalade-' + str(4711)\nfound = searched", 1))[0] > 0


LEAVE = """
import socket
names = ["/tmp/left", "/dev/shm/left", "left", os.path.expanduser("~/left")]
for name in names:
    open(name, "w").close()
made = [libc.shmget(0x7777, 4096, 0o1666), libc.msgget(0x7777, 0o1666), libc.semget(0x7777, 1, 0o1666)]
rt = ctypes.CDLL("librt.so.1", use_errno=True)
queue = rt.mq_open(b"/left", os.O_CREAT | os.O_RDWR, 0o666, None)
if os.fork() == 0:
    os.setsid()
    kept = []
    for address in ("\\0left", "/tmp/left.sock", ("127.0.0.1", 7777)):
        kept.append(socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX))
        kept[-1].bind(address)
        kept[-1].listen()
    import time
    time.sleep(20)
import time
time.sleep(0.3)
say(made)
"""
FIND = """
import socket
found = [name for name in ("/tmp/left", "/dev/shm/left", "left", os.path.expanduser("~/left")) if os.path.exists(name)]
found += [name for name, id_ in (("shm", libc.shmget(0x7777, 0, 0)), ("msg", libc.msgget(0x7777, 0)),
                                 ("sem", libc.semget(0x7777, 0, 0))) if id_ != -1]
rt = ctypes.CDLL("librt.so.1", use_errno=True)
found += ["queue"] if rt.mq_open(b"/left", os.O_RDWR) != -1 else []
for address in ("\\0left", "/tmp/left.sock", ("127.0.0.1", 7777)):
    with socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX) as one:
        try:
            one.connect(address)
            found.append(address)
        except OSError:
            pass
say(found)
"""


def test_nothing_is_passed_from_run_to_run(said: Callable[..., Any]) -> None:
    assert said(FIND) == []
    assert min(said(LEAVE)) >= 0, "the test left nothing, and so proves nothing"
    assert said(FIND) == []


def test_random_numbers_differ_from_run_to_run(said: Callable[..., Any]) -> None:
    source = "import random, secrets, uuid\nsay([random.random(), random.Random().random(), secrets.token_hex()])"
    ones, others = said(source), said(source)
    assert not set(ones) & set(others)


def test_an_earlier_runs_memory_is_not_held_against_the_next(ran: Ran) -> None:
    eaters = """
import os, time
for _ in range(6):
    if os.fork() == 0:
        kept = bytearray(b"x" * (96 << 20))
        time.sleep(1)
        os._exit(0)
print(sum(os.wait()[1] == 0 for _ in range(6)))
"""
    finished = ran(eaters)
    assert finished.cause == "memory" or int(finished.stdout) < 6
    finished = ran("import os; os.kill(os.getpid(), 9)")
    assert (finished.signal, finished.cause) == (9, None)


def test_the_engine_was_asked_for_all_of_it(container: Any, sandbox: Docker) -> None:
    host = container.attrs["HostConfig"]
    assert host["NetworkMode"] == "none"
    assert host["ReadonlyRootfs"]
    assert host["CapDrop"] == ["ALL"]
    assert set(host["CapAdd"]) == {"SYS_ADMIN", "SETUID", "SETGID", "SETPCAP"}
    assert "no-new-privileges" in host["SecurityOpt"]
    assert "seccomp=unconfined" not in host["SecurityOpt"]
    assert 0 < host["Memory"] == host["MemorySwap"]
    assert 0 < host["PidsLimit"] <= 512
    assert 0 < host["CpuShares"] < 1024
    assert not host["Privileged"]
    assert not host["Binds"]
    assert not host["Devices"]
    assert not host["Mounts"] if "Mounts" in host else True
    assert host["IpcMode"] in ("private", "none")
    assert host["PidMode"] == host["UTSMode"] == host["UsernsMode"] == ""
    assert not container.attrs["Mounts"]


def test_the_engine_keeps_no_output(container: Any, said: Callable[..., Any]) -> None:
    said("say('x' * 100_000)")
    assert container.attrs["HostConfig"]["LogConfig"]["Type"] == "none"


def test_what_is_more_than_is_allowed_is_not_a_matter_of_asking(said: Callable[..., Any]) -> None:
    source = """
import resource
raised = []
for name in dir(resource):
    if name.startswith("RLIMIT_"):
        soft, hard = resource.getrlimit(getattr(resource, name))
        try:
            if hard != resource.RLIM_INFINITY:
                resource.setrlimit(getattr(resource, name), (hard, hard + 1))
                raised.append(name)
        except (OSError, ValueError):
            pass
say(raised)
"""
    assert said(source) == []


def test_limits_are_the_programs_own(sandbox: Docker) -> None:
    assert replace(sandbox.limits, cpu_seconds=1).memory_mb == sandbox.memory_mb == 512
