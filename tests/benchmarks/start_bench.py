"""How long a person waits for the command line to answer."""

import subprocess
import sys
import time
from pathlib import Path

from report import Line

RUNS = 7


def start_lines() -> list[Line]:
    """Median wall-clock seconds; an interpreter that does nothing stands beside it."""
    guerdon = str(Path(sys.executable).parent / "guerdon")
    bare = _median([sys.executable, "-c", "pass"])
    lines = []
    for arguments in (["--help"], ["plugins"]):
        seconds = _median([guerdon, *arguments])
        lines.append(
            Line(
                f"guerdon {arguments[0]}",
                f"{seconds:.2f} s",
                f"python -c pass {bare:.2f} s",
                f"{seconds / bare:.0f} ×",
                "< 0.4 s",
                seconds < 0.4,
            )
        )
    return lines


def _median(command: list[str]) -> float:
    times = []
    for _ in range(RUNS):
        started = time.monotonic()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append(time.monotonic() - started)
    return sorted(times)[RUNS // 2]
