"""Real servers in processes of their own."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def distribution(site: Path) -> None:
    """What pip leaves of the plugin `served_rewards`."""
    (site / "served_rewards.py").write_text((HERE / "served_rewards.py").read_text())
    facts = site / "served_rewards-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: served-rewards\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[guerdon]\nserved_rewards = served_rewards\n")


class Served:
    """`guerdon serve` in a process, from the moment at which it answers."""

    def __init__(self, process: "subprocess.Popen[str]", errors: Path) -> None:
        self.process, self.errors, self.url = process, errors, ""
        deadline = time.monotonic() + 120
        while not (found := re.search(r"on (http://\S+?)(,|\n)", self.said)):
            assert process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)
        self.url = found[1]

    @property
    def said(self) -> str:
        return self.errors.read_text()

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def ask(self, path: str, data: object = None, **headers: str) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON and headers of an answer."""
        body = data if isinstance(data, bytes | None) else json.dumps(data).encode()
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json", **headers})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read()), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read()), error.headers

    def health(self) -> dict[str, Any]:
        return self.ask("/health")[1]

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until its health is as it should be."""
        deadline = time.monotonic() + 60
        while not wanted(health := self.health()):
            assert time.monotonic() < deadline, health
            time.sleep(0.02)

    def until_inside(self, count: int) -> None:
        """Wait until it has so many rollouts."""
        self.until(lambda health: health["queue"]["inside"] == count)

    def end(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.terminate()
        return self.process.wait(60)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)

    def workers(self) -> list[int]:
        """The worker processes below it, which a process of their own launches."""
        return [pid for launcher in self.launchers() for pid in _children(launcher)]

    def launchers(self) -> list[int]:
        return _children(self.process.pid)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
    return found


@contextlib.contextmanager
def serving(
    rewards: str, *arguments: str, port: int = 0, site: Path | None = None, **environment: str
) -> Iterator[Served]:
    """A server of these rewards (TOML)."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "mix.toml").write_text(rewards)
        kept = {key: value for key, value in os.environ.items() if key != "GUERDON_TOKEN"}
        path = os.pathsep.join([str(site)] if site else [])
        with (directory / "errors").open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "guerdon", "serve", "mix.toml", "--port", str(port), *arguments],
                cwd=directory,
                stderr=errors,
                text=True,
                env={**kept, "PYTHONPATH": path, **environment},
            )
        try:
            yield Served(process, directory / "errors")
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait(60)


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
