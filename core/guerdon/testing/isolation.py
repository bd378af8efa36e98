"""What a sandbox promises that keeps programs in: from each other, from the machine, from who judges them."""

import asyncio
import os
import socket
from contextlib import closing

from guerdon.plugs import Sandbox
from guerdon.testing.running import expect, printed

SECRET = "GUERDON_TESTING_SECRET"
"""A variable in the environment of the process that checks. No program may find it."""


async def programs_are_nobody(sandbox: Sandbox) -> None:
    """A program is not root, cannot become it, and has no capability."""
    source = """
    import os
    print(*os.getresuid(), *os.getresgid(), *os.getgroups())
    for become in (os.setuid, os.setgid):
        try:
            become(0)
            print("became root")
        except OSError:
            pass
    print(*[line.split()[1] for line in open("/proc/self/status") if line.startswith("Cap")])
    """
    lines = (await printed(sandbox, source)).splitlines()
    ids, held = lines[0].split(), lines[-1].split()
    expect("0" not in ids and len(lines) == 2, f"it runs as {lines[:-1]}", "give it a user of its own, not root")
    expect(set("".join(held)) == {"0"}, f"its capabilities are {held}", "drop all five sets, the bounding set too")


async def processes_of_others_are_out_of_sight(sandbox: Sandbox) -> None:
    """A program sees no process but its own and what started it, and can signal none."""
    source = """
    import os
    seen = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    for pid in [*range(2, 1 << 16), int(input())]:
        try:
            os.kill(pid, 0)
            seen.add(pid)
        except ProcessLookupError:
            pass
        except PermissionError:
            seen.add(pid)
    print(*sorted(seen - {1, os.getpid(), os.getppid()}))
    """
    seen = (await printed(sandbox, source, b"%d" % os.getpid())).split()
    expect(not seen, f"it sees {len(seen)} processes of others", "give it a pid namespace and a /proc of its own")


async def the_judge_is_out_of_sight(sandbox: Sandbox) -> None:
    """The environment of the process that judges is nowhere to be found."""
    source = """
    import glob, os
    mark = "GUERDON_TESTING" + "_SECRET"
    found = [name for name in os.environ if name == mark]
    for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/task/*/environ"):
        try:
            found += [path] if mark.encode() in open(path, "rb").read() else []
        except OSError:
            pass
    print(*found)
    """
    found = await printed(sandbox, source)
    expect(not found, f"it finds the environment of its judge in {found}", "start it with an environment of its own")


async def there_is_no_network(sandbox: Sandbox) -> None:
    """There is no network: no connection, no datagram, no name, and not the machine's own ports."""
    source = """
    import socket
    port = int(input())
    def attempt(what, function):
        try:
            function()
            print(what)
        except OSError:
            pass
    def connect(address, family=socket.AF_INET):
        with socket.socket(family) as sock:
            sock.settimeout(1)
            sock.connect(address)
    def send(address, family=socket.AF_INET):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1)
            sock.sendto(b"x", address)
    attempt("connects to the machine itself", lambda: connect(("127.0.0.1", port)))
    attempt("connects to the world", lambda: connect(("1.1.1.1", 53)))
    attempt("connects to the world by IPv6", lambda: connect(("2606:4700:4700::1111", 53), socket.AF_INET6))
    attempt("sends datagrams", lambda: send(("1.1.1.1", 53)))
    attempt("sends datagrams by IPv6", lambda: send(("2606:4700:4700::1111", 53), socket.AF_INET6))
    attempt("sends to its neighbours", lambda: send(("172.17.0.1", 53)))
    attempt("resolves names", lambda: socket.getaddrinfo("example.org", 80))
    attempt("makes raw sockets", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close())
    others = {line.partition(":")[0].strip() for line in list(open("/proc/net/dev"))[2:]} - {"lo"}
    if others:
        print("has the interfaces", *others)
    """
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        said = await printed(sandbox, source, b"%d" % server.getsockname()[1])
    expect(not said, f"it {', '.join(said.splitlines())}", "give it a network namespace with nothing in it")


async def the_rest_of_the_disk_is_read_only(sandbox: Sandbox) -> None:
    """Nothing can be written outside of its own directory, /tmp and /dev/shm."""
    source = """
    import os, stat, sys
    kept = tuple(map(os.path.realpath, (".", "/tmp", "/dev/shm", "/var/tmp", "/run/shm")))
    found = []
    for at, directories, names in os.walk("/"):
        if at == "/":
            directories[:] = [name for name in directories if name not in ("proc", "sys")]
        directories[:] = [name for name in directories if not os.path.join(at, name).startswith(kept)]
        writable = not at.startswith(kept) and os.access(at, os.W_OK)
        found += [at] if writable else []
        for name in names:
            path = os.path.join(at, name)
            try:
                regular = stat.S_ISREG(os.lstat(path).st_mode)
            except OSError:
                continue
            found += [path] if regular and os.access(path, os.W_OK) else []
        if len(found) > 10:
            break
    print(*found[:10])
    """
    found = await printed(sandbox, source)
    expect(not found, f"it may write to {found}", "mount the root read-only; only temporary places can be written")


async def the_kernel_is_kept_small(sandbox: Sandbox) -> None:
    """New namespaces, mounts, tracing, BPF, perf, io_uring and keys are refused."""
    source = """
    import ctypes, errno, os, platform
    libc = ctypes.CDLL(None, use_errno=True)
    x86 = platform.machine() == "x86_64"
    NAMESPACES = dict(mount=0x20000, cgroup=0x2000000, uts=0x4000000, ipc=0x8000000, user=0x10000000)
    NAMESPACES.update(pid=0x20000000, net=0x40000000)
    def refused(what, call, *arguments):
        child = os.fork()
        if child:
            os.waitpid(child, 0)
            return
        ctypes.set_errno(0)
        result = call(*arguments)
        if result == 0 and what.startswith("clone"):
            os._exit(0)
        if result != -1 or ctypes.get_errno() not in (errno.EPERM, errno.EACCES, errno.ENOSYS):
            print(what, errno.errorcode.get(ctypes.get_errno(), ""), flush=True)
        os._exit(0)
    def numbered(what, on_x86, elsewhere, *arguments):
        refused(what, lambda: libc.syscall(on_x86 if x86 else elsewhere, *map(ctypes.c_long, arguments)))
    for name, flag in NAMESPACES.items():
        refused(f"unshare({name})", libc.unshare, flag)
        numbered(f"clone({name})", 56, 220, flag | 17, 0, 0, 0, 0)
    refused("setns", libc.setns, -1, 0)
    refused("ptrace", libc.ptrace, 0, 0, 0, 0)
    refused("mount", libc.mount, b"none", b".", b"no-such-filesystem", 0, None)
    refused("umount", libc.umount2, b".", 0)
    refused("sethostname", lambda: libc.sethostname(platform.node().encode(), len(platform.node().encode())))
    refused("chroot", libc.chroot, b".")
    numbered("bpf", 321, 280, 9999, 0, 0)
    numbered("perf_event_open", 298, 241, 0, 0, -1, -1, 0)
    numbered("io_uring_setup", 425, 425, 0, 0)
    numbered("keyctl", 250, 219, 0, -3, 0)
    numbered("userfaultfd", 323, 282, 0xFFFF)
    numbered("process_vm_readv", 310, 270, os.getppid(), 0, 0, 0, 0, 0)
    """
    open_doors = (await printed(sandbox, source)).splitlines()
    expect(
        not open_doors,
        f"these are not refused: {', '.join(open_doors)}",
        "refuse them by a seccomp filter (EPERM or ENOSYS), whatever else stands in their way",
    )


async def nothing_is_left_behind(sandbox: Sandbox) -> None:
    """What a program leaves in its directory, /tmp and /dev/shm, the next ones do not find."""
    leave = """
    import os, shutil
    os.makedirs("sub", exist_ok=True)
    for place in (".", "sub", "..", "/tmp", "/dev/shm", "/var/tmp", os.path.expanduser("~")):
        try:
            with open(os.path.join(place, "guerdon-left"), "w") as file:
                file.write("it")
            os.chmod(file.name, 0o444)
        except OSError:
            pass
    print(os.getcwd())
    """
    find = """
    import os, sys
    found = []
    for place in (".", "sub", "..", "/tmp", "/dev/shm", "/var/tmp", os.path.expanduser("~"), input()):
        path = os.path.join(place, "guerdon-left")
        if os.path.exists(path):
            found.append(path)
            try:
                os.unlink(path)
            except OSError:
                pass
    print(*found)
    """
    at = await printed(sandbox, leave)
    # As often as it takes to come upon the same place again.
    answers = await asyncio.gather(*(printed(sandbox, find, at.encode()) for _ in range(16)))
    found = sorted({answer for answer in answers if answer})
    expect(not found, f"another program finds {', '.join(found)}", "give each its own, and let it end with the program")


PROMISES = (
    programs_are_nobody,
    processes_of_others_are_out_of_sight,
    the_judge_is_out_of_sight,
    there_is_no_network,
    the_rest_of_the_disk_is_read_only,
    the_kernel_is_kept_small,
    nothing_is_left_behind,
)
