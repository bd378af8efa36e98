"""A command of OpenRLHF's, started and followed: its lines as they come, and its end, however it comes."""

import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from guerdon import GuerdonError
from guerdon_openrlhf import lines, locks
from guerdon_openrlhf.supervisor import GRACE_SECONDS

REMEMBERED = 1000
"""Lines that a reason for a bad end is looked for in."""
ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",
    "RAY_DEDUP_LOGS": "0",  # each step's line looks like the last one's
    "RAY_USAGE_STATS_ENABLED": "0",
    "TOKENIZERS_PARALLELISM": "false",
}


class Launched:
    """A running command. `lines` gives what it prints; all of it is in the log as well."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.log = log
        self.began = time.time()
        self.tail: deque[str] = deque(maxlen=REMEMBERED)
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "guerdon_openrlhf.supervisor", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a terminal is ours to pass on
            env={**os.environ, **ENVIRONMENT},
        )
        self._reader = threading.Thread(target=self._read, name="guerdon-openrlhf-log", daemon=True)
        self._reader.start()

    def lines(self, every: float = 0.5) -> Iterator[str | None]:
        """Each line as it comes, and None whenever so many seconds brought none. Ends with the command's output."""
        while True:
            try:
                line = self._lines.get(timeout=every)
            except queue.Empty:
                yield None
                continue
            if line is None:
                return
            yield line

    def ended(self) -> int:
        """Wait for its end; its exit code."""
        return self._process.wait()

    def stop(self) -> None:
        """End it and everything that came of it, and only that."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(GRACE_SECONDS + 30)
        except subprocess.TimeoutExpired:  # the supervisor itself hangs; what it owns ends by its death signal
            self._process.kill()
            self._process.wait()
        locks.release(self.began)

    def failure(self, who: str, what: str) -> GuerdonError:
        """The error that its output amounts to."""
        said = f"{what}:\n  {lines.cause(list(self.tail))}"
        return GuerdonError(who, said, f"all that it printed is in {self.log}")

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self.log.open("ab") as log:
            for raw in _pieces(self._process.stdout):
                log.write(raw)
                log.flush()
                # Progress bars go on in one line.
                for line in raw.decode("utf-8", "replace").splitlines():
                    if line.strip():
                        self.tail.append(line)
                        self._lines.put(line)
        self._lines.put(None)


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines, where a carriage return ends one too: a progress bar must not be silent until it is full."""
    waiting = b""
    while chunk := os.read(stream.fileno(), 1 << 16):
        waiting += chunk
        cut = max(waiting.rfind(b"\n"), waiting.rfind(b"\r")) + 1
        if cut:
            yield waiting[:cut]
            waiting = waiting[cut:]
    if waiting:
        yield waiting


@contextmanager
def launched(command: Sequence[str], log: Path) -> Iterator[Launched]:
    """A command that has ended, with all that came of it, when the context has."""
    running = Launched(command, log)
    try:
        yield running
    finally:
        running.stop()


def ask(command: Sequence[str], seconds: float) -> "subprocess.CompletedProcess[Any]":
    """Run a short command to its end. Raises GuerdonError if it does not come."""
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=seconds,
            env={**os.environ, **ENVIRONMENT},
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GuerdonError(
            command[0], f"gave no answer within {seconds:.0f} s", "look whether it starts at all"
        ) from None
    except OSError as error:
        raise GuerdonError(command[0], f"cannot be started: {error.strerror}", "name a Python: `python = …`") from None
