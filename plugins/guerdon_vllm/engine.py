"""vLLM in a process of its own: started, asked, ended.

It prints by the hundred lines, keeps the memory of a GPU until its process ends, and does not survive every error.
"""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guerdon import GuerdonError

LONGEST = 600
"""Characters of vLLM's that an error may repeat."""
FAULT = re.compile(r"(?:^|\s)((?:\w+\.)*\w*(?:Error|Exception): .+)$")
ELSEWHERE = re.compile(r"root cause|stack trace|EngineDead", re.IGNORECASE)
"""What vLLM says when one of its processes has failed and only the log knows why."""


class Engine:
    """One `vllm.LLM`. Any thread may wait for it, and another one end it meanwhile."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        """Start it; returns at once. `arguments` are those of `vllm.LLM`."""
        self.checkpoint = str(arguments["model"])
        self.usable = True
        """False once it cannot be asked any more; `end` it then, and start another."""
        self._longest: int | None = None
        self._told = self._ended = False
        self._turn = threading.Lock()
        descriptor, name = tempfile.mkstemp(prefix="guerdon-vllm-", suffix=".log")
        self._log = Path(name)
        ours, theirs = socket.socketpair()
        with theirs, open(descriptor, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "guerdon_vllm.engine_process", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is ours to pass on
            )
        with ours:
            self._out, self._in = ours.makefile("w", encoding="utf-8"), ours.makefile("r", encoding="utf-8")
        self._send(arguments)

    def max_model_len(self) -> int:
        """How many tokens a prompt and its completion may have together; waits until vLLM has started.

        Raises GuerdonError if it cannot.
        """
        with self._turn:
            if self._longest is None:
                self.usable = False
                self._longest = int(self._receive("cannot run this checkpoint")["max_model_len"])
                self.usable = True
            return self._longest

    def generate(self, asked: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
        """Completions of each prompt: `ids`, `logprobs` and `finish_reason`. Only after `max_model_len`.

        `asked` has `prompts` (pairs of token ids and a seed), `n`, `temperature`, `top_p`, `max_tokens`. Raises
        GuerdonError.
        """
        with self._turn:
            self._send(asked)
            groups: list[list[dict[str, Any]]] = self._receive("failed while sampling")["groups"]
            return groups

    def end(self) -> None:
        """End it and all that it has started, now. Whoever waits for it gets an error."""
        if self._process.returncode is None:
            self.usable, self._ended = False, True
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._in.close()
            with contextlib.suppress(OSError):
                self._out.close()
            if not self._told:
                self._log.unlink(missing_ok=True)

    def _send(self, value: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # if it has gone, `_receive` will say how
            self._out.write(json.dumps(value) + "\n")
            self._out.flush()

    def _receive(self, what: str) -> dict[str, Any]:
        try:
            line = self._in.readline()
        except OSError:
            line = ""
        if self._ended:
            raise GuerdonError(self.checkpoint, "sampling was ended")
        answer: dict[str, Any] = json.loads(line) if line else {"error": self._end()}
        if "error" not in answer:
            return answer
        text = str(answer["error"])
        if ELSEWHERE.search(text):
            text = self._fault() or text
        if len(text) > LONGEST:
            text = text[:LONGEST] + "…"
        self._told = True
        raise GuerdonError(self.checkpoint, f"vLLM {what}: {text}", f"all that it said is in {self._log}")

    def _end(self) -> str:
        """How a process that says no more has ended."""
        self.usable = False
        # It stays a zombie until `end`, so that the number of its process group is nobody else's.
        ended = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        if ended is None or ended.si_code == os.CLD_EXITED:
            return self._fault() or "its process has left"
        if ended.si_status == signal.SIGKILL:
            return "its process was killed, as happens when memory runs out"
        return self._fault() or f"its process ended with {signal.Signals(ended.si_status).name}"

    def _fault(self) -> str | None:
        """The last exception in the log that does not only point to another one."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        faults = (found[1] for line in reversed(lines) if (found := FAULT.search(line)))
        return next((fault for fault in faults if not ELSEWHERE.search(fault)), None)


def _environment() -> dict[str, str]:
    """This process's, and what vLLM is told unless the user says otherwise."""
    ours = {
        # One process less, of which the errors come here in person; and the order of a batch is always the same.
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        # A checkpoint is a directory. Nothing is fetched, and nobody is told that it is sampled from.
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
    }
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    return {**ours, **os.environ, "PYTHONPATH": path}
