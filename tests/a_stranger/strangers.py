"""Environments with distributions that know guerdon only from its documentation, installed by pip."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]


class Environment:
    """A virtual environment that sees what is installed where the tests run, and never changes it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        venv.create(directory, with_pip=False, symlinks=True)
        self.python = directory / "bin" / "python"
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        below = [path for path in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")) if path]
        lines = [f"import site; site.addsitedir({path!r})" for path in dict.fromkeys(below)]
        (directory / "lib" / version / "site-packages" / "below.pth").write_text("\n".join(lines))

    def install(self, *sources: Path) -> None:
        offline = ["--no-index", "--no-deps", "--no-build-isolation", "--ignore-installed", "--no-compile"]
        command = [sys.executable, "-m", "pip", "--python", self.python, "install", "-q", *offline, *sources]
        self.run(command, check=True)

    def guerdon(self, *arguments: str | Path, at: Path | None = None) -> "subprocess.CompletedProcess[str]":
        return self.run([self.directory / "bin" / "guerdon", *arguments], at=at)

    def run(
        self, command: list[str | Path], check: bool = False, at: Path | None = None
    ) -> "subprocess.CompletedProcess[str]":
        hidden = ("PYTHONPATH", "PYTHONHOME", "COLUMNS", "PIP_TARGET", "PIP_PREFIX", "PIP_USER")
        environment = {name: value for name, value in os.environ.items() if name not in hidden}
        ended = subprocess.run(
            command, check=False, capture_output=True, text=True, env=environment, cwd=at or self.directory, timeout=120
        )
        assert not check or ended.returncode == 0, ended.stdout + ended.stderr
        return ended


def copied(name: str, to: Path) -> Path:
    """A stranger's tree, where building it leaves no trace in ours."""
    return shutil.copytree(HERE / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
