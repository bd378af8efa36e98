"""The process that forks workers, limits them, kills them and buries them.

Started as `python -m guerdon.forkserver FD PARENT`, never from the user's `__main__`. It imports the plugins once, so
that a new worker costs a fork and not an import. It ends, and all its workers with it, when its parent does.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from typing import Any

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LARGEST_COMMAND = 1 << 17
PARENT_CHECK_SECONDS = 0.5
FAREWELL_SECONDS = 1.0
"""How long a worker has to close its plug once its parent is done with it."""


def main() -> None:
    control, parent = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    os.dup2(2, 1)  # what a plugin prints must not end up in the parent's output
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # a thread of the parent may have blocked the ones we live by
    os.environ.pop("PYTHONPATH", None)  # it was the parent's sys.path, and is ours by now
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    _preload(json.loads(control.recv(LARGEST_COMMAND)))
    Server(control, parent).run()


class Server:
    """Forks on demand, reaps, and tells the parent how each worker ended."""

    def __init__(self, control: socket.socket, parent: int) -> None:
        self.control = control
        self.parent = parent
        self.pids: dict[int, int] = {}
        """Worker number to process id."""
        self.wakeup, write_end = os.pipe()
        os.set_blocking(self.wakeup, False)
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.inherited = [control.fileno(), self.wakeup, write_end]

    def run(self) -> None:
        while self._parent_lives():
            readable, _, _ = select.select([self.control.fileno(), self.wakeup], [], [], PARENT_CHECK_SECONDS)
            if self.wakeup in readable:
                os.read(self.wakeup, 4096)
            self._reap()
            if self.control.fileno() in readable and not self._obey():
                break
        self._end_all()

    def _parent_lives(self) -> bool:
        # A copy of the control socket may live on in a forked child of a parent that was killed; its pid does not.
        return os.getppid() == self.parent

    def _obey(self) -> bool:
        try:
            message, descriptors, _, _ = socket.recv_fds(self.control, LARGEST_COMMAND, 1)
        except ConnectionError:
            return False
        if not message:
            return False
        command = json.loads(message)
        if "kill" in command:
            if command["kill"] in self.pids:
                _kill_group(self.pids[command["kill"]])
                _kill(self.pids[command["kill"]])  # it may not have become a group of its own yet
            return True
        self._fork(command, descriptors[0])
        return True

    def _fork(self, command: dict[str, Any], channel: int) -> None:
        server = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(channel)
            self._tell({"ended": command["worker"], "signal": None, "exit": None, "why": f"cannot fork: {error}"})
            return
        if pid == 0:
            self._become_worker(server, channel)
        os.close(channel)
        self.pids[command["worker"]] = pid

    def _become_worker(self, server: int, channel: int) -> None:
        try:
            os.setsid()
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            _prctl(PR_SET_CHILD_SUBREAPER, 1)  # what it daemonises is its own until it ends
            if os.getppid() != server:
                os._exit(1)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGALRM, signal.SIGPROF):
                signal.signal(number, signal.SIG_DFL)
            for descriptor in self.inherited:
                os.close(descriptor)
            from guerdon.worker import work

            work(socket.socket(fileno=channel))
            os._exit(0)
        except ConnectionError:
            pass  # nobody is there to hear what it has to say
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)

    def _reap(self) -> None:
        numbers = {pid: number for number, pid in self.pids.items()}
        while True:
            try:
                # WNOWAIT: the group is killed while its leader's pid cannot yet belong to anybody else.
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                break
            if found is None:
                break
            pid = found.si_pid
            if pid in numbers:
                _kill_group(pid)
            _, status = os.waitpid(pid, 0)
            if pid in numbers:
                number = numbers[pid]
                del self.pids[number]
                code = os.waitstatus_to_exitcode(status)
                self._tell({"ended": number, "signal": -code if code < 0 else None, "exit": max(code, 0), "why": ""})
            # What a worker started and what left its group (setsid) is ours now: we are the subreaper.
            self._kill_orphans()

    def _kill_orphans(self) -> None:
        for pid in _children():
            if pid not in self.pids.values():
                _kill(pid)

    def _tell(self, event: dict[str, Any]) -> None:
        try:
            self.control.send(json.dumps(event).encode())
        except OSError:
            pass  # the parent is gone, and run() will see it

    def _end_all(self) -> None:
        # Workers that wait see their own channel close and leave; whoever is busy is not waited for.
        deadline = time.monotonic() + FAREWELL_SECONDS
        while self.pids and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.01)
        for pid in self.pids.values():
            _kill_group(pid)
        while children := list(_children()):
            for pid in children:
                _kill(pid)
            try:
                os.waitpid(-1, 0)
            except ChildProcessError:
                break


def _preload(modules: list[str]) -> None:
    for module in modules:
        try:
            importlib.import_module(module)
        except (Exception, SystemExit):
            pass  # the worker that needs it will say so, with a traceback
    # Objects that exist by now are never collected in a worker, so their pages stay shared.
    gc.collect()
    gc.freeze()


def _children() -> Iterator[int]:
    pid = os.getpid()
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        yield from map(int, file.read().split())


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # nobody is left in it


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    main()
