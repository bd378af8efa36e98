"""The command line in a directory of its own: in this process where that will do, else in one of its own."""

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from guerdon import registry
from guerdon.cli import main

HERE = Path(__file__).parent


def distribution(site: Path, name: str, module: str, source: str) -> None:
    """What pip leaves of an installed plugin."""
    site.mkdir(exist_ok=True)
    (site / f"{module}.py").write_text(source)
    facts = site / f"{name.replace('-', '_')}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[guerdon]\n{module} = {module}\n")


class Place:
    """A directory with files, and guerdon run in it."""

    def __init__(self, directory: Path, site: Path) -> None:
        self.directory = directory
        self.sites = [site]

    def __truediv__(self, name: str) -> Path:
        return self.directory / name

    def install(self, name: str, module: str, source: str) -> None:
        """One more plugin, for this test only."""
        more = self.directory / "site"
        distribution(more, name, module, source)
        if more not in self.sites:
            self.sites.append(more)

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.write_text(text, "utf-8")
        return path

    def rollouts(self, rows: Iterable[Mapping[str, Any]], name: str = "rollouts.jsonl") -> Path:
        return self.write(name, "".join(json.dumps(row) + "\n" for row in rows))

    def rows(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.directory / name).read_bytes().splitlines()]

    def start(self, *arguments: object, **environment: str) -> "subprocess.Popen[str]":
        path = os.pathsep.join(map(str, self.sites))
        kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "FORCE_COLOR")}
        return subprocess.Popen(
            [sys.executable, "-c", "from guerdon.cli import main; main()", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.directory,
            env={**kept, "PYTHONPATH": path, **environment},
        )

    def process(self, *arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run in a process of its own."""
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def guerdon(self, *arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
        """Run in this process, which is much quicker. What is installed here is not left behind."""
        words = [str(word) for word in arguments]
        code: object = 0
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.directory)
            patch.setattr(sys, "argv", ["guerdon", *words])
            patch.setattr(sys, "path", [*map(str, self.sites), *sys.path])
            for name, value in environment.items():
                patch.setenv(name, value)
            patch.setattr(registry, "load", cache(registry.load.__wrapped__))
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    main()
                except SystemExit as exit_:
                    code = exit_.code
            for name, module in list(sys.modules.items()):
                if str(getattr(module, "__file__", None)).startswith(str(self.directory)):
                    del sys.modules[name]
        return subprocess.CompletedProcess(words, code or 0, out.getvalue(), err.getvalue())

    def complaint(self, *arguments: object, **environment: str) -> str:
        """What a command says that ends with one clear error."""
        ended = self.guerdon(*arguments, **environment)
        assert ended.returncode == 2, ended.stdout + ended.stderr
        assert "Traceback" not in ended.stderr
        assert ended.stderr.startswith("error: ")
        return ended.stderr


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    distribution(directory, "tests-rewards", "rewards_for_tests", (HERE / "rewards_for_tests.py").read_text())
    for name in ("hostile.py", "misdeeds.py"):
        shutil.copy(HERE.parent / name, directory)
    return directory


@pytest.fixture
def place(tmp_path: Path, site: Path) -> Place:
    return Place(tmp_path, site)


@pytest.fixture
def without_times() -> Callable[[list[dict[str, Any]]], list[dict[str, Any]]]:
    """Scored rows without what differs from run to run."""

    def strip(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for row in rows:
            for term in row["terms"].values():
                del term["seconds"], term["queued_seconds"]
        return rows

    return strip
