"""How OpenRLHF is started: here, or as a job of a Ray cluster; and asked beforehand whether it can be."""

import json
import re
import secrets
import shlex
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guerdon import GuerdonError
from guerdon_openrlhf import lines
from guerdon_openrlhf.launching import ask
from guerdon_openrlhf.preflight import MARK

ASKED_SECONDS = 300.0
"""For all checks; importing torch on a cold disk takes its time."""
REACHED_SECONDS = 10.0


@dataclass(frozen=True)
class Place:
    """Where OpenRLHF runs: by which Python, and on which cluster (None for here)."""

    python: str
    ray_address: str | None = None
    job: str = field(default_factory=lambda: f"guerdon-{secrets.token_hex(4)}")

    def command(self, words: Sequence[str], job: str | None = None) -> list[str]:
        """The words that start a Python program with these arguments; on a cluster as a job, which is waited for."""
        if self.ray_address is None:
            return [self.python, *words]
        environment = json.dumps({"env_vars": {"PYTHONUNBUFFERED": "1", "RAY_DEDUP_LOGS": "0"}})
        submit = ["job", "submit", "--address", self.ray_address, "--submission-id", job or self.job]
        return [*self._ray(), *submit, "--runtime-env-json", environment, "--", self.python, *words]

    def reach(self) -> None:
        """Raise GuerdonError if the cluster does not answer."""
        if self.ray_address is None:
            return
        try:
            with urllib.request.urlopen(f"{self.ray_address.rstrip('/')}/api/version", timeout=REACHED_SECONDS):
                pass
        except (OSError, ValueError, urllib.error.URLError) as error:
            reason = getattr(error, "reason", error)
            what = f"no Ray cluster answers there: {reason}"
            way_out = "name its dashboard (http://HEAD:8265), and look whether it runs: `ray status`"
            raise GuerdonError(f"ray_address {self.ray_address}", what, way_out) from None

    def stop(self) -> None:
        """End the job, if it is one."""
        if self.ray_address is not None:
            ask([*self._ray(), "job", "stop", "--address", self.ray_address, "--no-wait", self.job], 60.0)

    def preflight(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """What `guerdon_openrlhf.preflight` finds out there. Raises GuerdonError with what it finds wrong."""
        self.reach()
        words = ["-m", "guerdon_openrlhf.preflight", json.dumps(request)]
        asked = ask(self.command(words, f"{self.job}-preflight"), ASKED_SECONDS)
        said = [plain for line in asked.stdout.splitlines() if (plain := lines.plain(line)).startswith(MARK)]
        if not said:
            output = (asked.stdout + asked.stderr).splitlines()
            if re.search(r"No module named '?guerdon(_openrlhf)?'?\W", asked.stderr):
                what = "guerdon is not installed there"
                raise GuerdonError(self.python, what, f"{self.python} -m pip install guerdon")
            raise GuerdonError(self.python, f"cannot look at OpenRLHF:\n  {lines.cause(output)}", "mend what it says")
        answer: dict[str, Any] = json.loads(said[-1].removeprefix(MARK))
        if "error" in answer:
            raise GuerdonError(**answer["error"])
        return answer

    def _ray(self) -> list[str]:
        return [self.python, "-m", "ray.scripts.scripts"]


def place(python: str | None, ray_address: str | None = None) -> Place:
    """Where a trainer's options say."""
    return Place(str(Path(python).expanduser()) if python else sys.executable, ray_address)


def shown(command: Sequence[str]) -> str:
    """A command line as a person would write it, an option a line."""
    text = ""
    for word in command:
        text += (" \\\n  " if word.startswith("--") else " ") + shlex.quote(word) if text else shlex.quote(word)
    return text
