"""The first process of the container: takes requests from the host, one at a time, and reports how programs ended."""

import contextlib
import os
import secrets
import select
import signal
import socket
import struct
import sys
import time

from guerdon_docker.inside import box, zygote
from guerdon_docker.inside.accounts import Accounts, cpu_seconds
from guerdon_docker.inside.frames import (
    END,
    FINISHED,
    INPUT,
    KILL,
    MOST_BUSY,
    OUTPUT,
    READY,
    RUN,
    frame,
    packed,
    take,
    unpacked,
)

CHUNK = 1 << 16
STDERR_BYTES = 1 << 14
FIRST_USER, LAST_USER = 1 << 20, 1 << 30
"""The kernel counts processes by user, over all containers: a user is drawn at random for every run."""
GRACE_SECONDS = 2.0
"""How long after its wall-clock limit the first process of a box is believed to be alive."""


def main(disk_mb: int) -> None:
    """Serve until the host closes the stream."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        ours.close()
        nowhere = os.open("/dev/null", os.O_RDWR)
        os.dup2(nowhere, 0)
        os.dup2(nowhere, 1)
        zygote.serve(theirs, disk_mb)
    theirs.close()
    _await_ready(ours)
    Supervisor(ours).serve()


class Supervisor:
    """Reads frames from standard input, and writes frames to standard output."""

    def __init__(self, zygote_: socket.socket) -> None:
        self.zygotes = [zygote_]
        self.buffer = bytearray()
        self.open = True
        self.accounts = Accounts()
        self.oom_kills = self.accounts.oom_kills()

    def serve(self) -> None:
        """Run program after program."""
        _write(frame(READY, 0, packed({"python": sys.version.split()[0]})))
        while self.open:
            while (taken := take(self.buffer)) is not None:
                kind, number, payload = taken
                if kind == RUN:
                    Box(self, number, payload).run()
            self.read()

    def read(self) -> None:
        """More from the host, which may be the end."""
        data = os.read(0, 1 << 20)
        self.open = bool(data)
        self.buffer += data

    def zygote_for(self, command: "list[str]") -> socket.socket:
        """The one that has loaded what the command is likely to import."""
        if not any("pytest" in argument for argument in command):
            return self.zygotes[0]
        if len(self.zygotes) == 1:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            socket.send_fds(self.zygotes[0], [zygote.ASKED.pack(zygote.SIBLING, 0, 0)], [theirs.fileno()])
            theirs.close()
            _await_ready(ours)
            self.zygotes.append(ours)
        return self.zygotes[1]

    def killed_for_memory(self) -> bool:
        """Whether the kernel has killed a process in this container since this was last asked."""
        before, self.oom_kills = self.oom_kills, self.accounts.oom_kills()
        return self.oom_kills > before


class Box:
    """One run: the first process of a box, the streams of its program, and what is known of its end."""

    def __init__(self, supervisor: Supervisor, number: int, payload: bytes) -> None:
        self.supervisor = supervisor
        self.number = number
        facts, body = unpacked(payload)
        self.zygote = supervisor.zygote_for(facts["command"])  # type: ignore[arg-type]
        self.output_left = int(facts["output_bytes"])  # type: ignore[call-overload]
        self.cpu_seconds = float(facts["cpu_seconds"])  # type: ignore[arg-type]
        self.wall_seconds = float(facts["wall_seconds"])  # type: ignore[arg-type]
        self.deadline = time.monotonic() + MOST_BUSY * self.wall_seconds + GRACE_SECONDS
        self.request = packed({**facts, "user": _any_user()}, body)
        self.input = bytearray()
        self.input_ended = False
        self.stderr = bytearray()
        self.cpu_before = supervisor.accounts.cpu()
        self.report = b""
        self.wait: bytes = b""
        self.cause: str | None = None
        self.pid = 0

    def run(self) -> None:
        """From the request to the last frame of its run."""
        stdin, stdout, stderr = os.pipe(), os.pipe(), os.pipe()
        for one in (stdin[0], stdout[1], stderr[1]):
            os.fchmod(one, 0o666)  # the program may open /dev/stdin and the like anew
        for one in (stdin[1], stdout[0], stderr[0]):
            os.set_blocking(one, False)
        control, theirs = socket.socketpair()
        asked = zygote.ASKED.pack(zygote.BOX, self.cpu_seconds, self.wall_seconds)
        socket.send_fds(self.zygote, [asked], [stdin[0], stdout[1], stderr[1], theirs.fileno()])
        for one in (stdin[0], stdout[1], stderr[1]):
            os.close(one)
        theirs.close()
        self.pid = zygote.PID.unpack(self.zygote.recv(zygote.PID.size))[0]
        with contextlib.suppress(OSError):  # whatever ended it will be in the report
            control.sendall(struct.pack("<I", len(self.request)) + self.request)
        self.request = b""
        self._attend(stdin[1], stdout[0], stderr[0], control)
        control.close()
        _write(frame(FINISHED, self.number, self._said()))

    def _attend(self, stdin: int, stdout: int, stderr: int, control: socket.socket) -> None:
        """Move bytes until the box is gone, and then what is left in its pipes."""
        poll = select.poll()
        for fd in (0, stdout, stderr, control.fileno(), self.zygote.fileno()):
            poll.register(fd, select.POLLIN)
        readable = {stdout, stderr}
        writing, stdin_open = False, True
        self._heed()  # most of what the host had to say came with the request
        while not self.wait:
            if stdin_open and not self.input and self.input_ended:
                if writing:
                    poll.unregister(stdin)
                os.close(stdin)
                stdin_open = writing = False
            elif stdin_open and bool(self.input) != writing:
                writing = not writing
                if writing:
                    poll.register(stdin, select.POLLOUT)
                else:
                    poll.unregister(stdin)
            ready = poll.poll(max(self.deadline - time.monotonic(), 0) * 1000 + 1)
            if time.monotonic() > self.deadline:
                self._kill("wall")
                self.deadline += GRACE_SECONDS
            for fd, _ in ready:
                if fd in readable:
                    if not self._read(fd, fd == stdout):
                        poll.unregister(fd)
                        os.close(fd)
                        readable.discard(fd)
                elif fd == 0:
                    self._listen(poll)
                elif fd == control.fileno():
                    poll.unregister(fd)
                    with contextlib.suppress(OSError):  # it ended before it had read all of its request
                        self.report = control.recv(CHUNK)
                elif fd == self.zygote.fileno():
                    poll.unregister(fd)
                    self.wait = self.zygote.recv(zygote.WAIT.size)
                    if not self.wait:
                        sys.exit("the zygote has died")
                elif fd == stdin and stdin_open and not self._feed(stdin):
                    self.input_ended = True
        if stdin_open:
            os.close(stdin)
        # Not to the end of the pipes: a writer that is in flight over a socket may be left, though no process is.
        for fd in readable:
            while self._read(fd, fd == stdout):
                pass
            os.close(fd)

    def _listen(self, poll: select.poll) -> None:
        """What the host says while a program runs."""
        self.supervisor.read()
        if not self.supervisor.open:
            self._kill("host")
            poll.unregister(0)
        self._heed()

    def _heed(self) -> None:
        while (taken := take(self.supervisor.buffer)) is not None:
            kind, number, payload = taken
            if number != self.number:
                continue  # meant for a run that is over
            if kind == INPUT and not self.input_ended:
                self.input += payload
            elif kind == END:
                self.input_ended = True
            elif kind == KILL:
                self._kill("host")

    def _feed(self, stdin: int) -> bool:
        try:
            del self.input[: os.write(stdin, memoryview(self.input)[: CHUNK * 16])]
        except BlockingIOError:
            pass
        except OSError:
            self.input.clear()  # nobody reads it any more
            return False
        return True

    def _read(self, fd: int, is_stdout: bool) -> bool:
        """Whether there was something to read."""
        try:
            data = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        if not is_stdout:
            self.stderr += data
            del self.stderr[:-STDERR_BYTES]
        elif data and self.cause != "output":
            kept = data[: self.output_left]
            self.output_left -= len(kept)
            _write(frame(OUTPUT, self.number, kept))
            if len(kept) < len(data):
                self._kill("output")
        return bool(data)

    def _kill(self, cause: str) -> None:
        self.cause = self.cause or cause
        if not self.wait:
            with contextlib.suppress(ProcessLookupError):  # it is gone, and the zygote is about to say so
                os.kill(self.pid, signal.SIGKILL)

    def _said(self) -> bytes:
        """How it ended. The first process of a box that the kernel killed for memory reports nothing itself."""
        how, status, seconds = box.ENDED, zygote.WAIT.unpack(self.wait)[0], 0.0
        if self.report:
            how, status, seconds = box.REPORT.unpack_from(self.report)
        cause = self.cause or {box.CPU: "cpu", box.WALL: "wall"}.get(how)
        memory = self.supervisor.killed_for_memory()
        ended = cause is None and how == box.ENDED
        signal_ = os.WTERMSIG(status) if ended and os.WIFSIGNALED(status) else None
        if signal_ == signal.SIGKILL and memory:
            cause = "memory"
        facts = {
            "exit_code": os.WEXITSTATUS(status) if ended and os.WIFEXITED(status) else None,
            "signal": signal_,
            "cause": cause,
            "killed_for_memory": memory,
            "cpu_seconds": cpu_seconds(self.supervisor.accounts.cpu()) - cpu_seconds(self.cpu_before),
            "seconds": seconds,
            "error": self.report[box.REPORT.size :].decode(errors="replace") if how == box.FAILED else None,
        }
        return packed(facts, bytes(self.stderr))


def _any_user() -> int:
    """One that nobody has been, as good as certainly; of those that a rootless engine has, where it is one."""
    with open("/proc/self/uid_map") as file:
        last = max(int(first) + int(count) - 1 for first, _, count in map(str.split, file))
    if last < LAST_USER:
        return 1 + secrets.randbelow(last)
    return FIRST_USER + secrets.randbelow(LAST_USER - FIRST_USER)


def _await_ready(channel: socket.socket) -> None:
    if not channel.recv(16):
        sys.exit("a zygote did not start")


def _write(data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(1, left) :]
