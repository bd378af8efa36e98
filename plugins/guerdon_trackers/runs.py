"""What every tracker asks of a run: how far it came, what it goes by, and what may be told of its options."""

import math
import re
import secrets
import tomllib
from collections.abc import Mapping
from typing import Any

from guerdon import Run

HIDDEN = "(hidden)"
_SECRET = re.compile(r"(^|[_-])(key|keys|token|secret|password|passwd|credential|credentials|auth)$", re.IGNORECASE)
"""Options whose text nobody else is to see, by their names."""


def steps_done(run: Run) -> int:
    """How many steps of the run are done as this stage begins or goes on."""
    return run.journal.before + run.journal.done


def identity(run: Run, tracker: str) -> tuple[str, bool]:
    """What the run goes by at this tracker, and whether it does so already.

    A run that begins anew, in whatever directory, is another one. The name is kept in the run's directory.
    """
    path = run.directory / f"{tracker}.txt"
    if steps_done(run) and path.is_file():
        return path.read_text("utf-8").strip(), True
    name = f"{run.directory.resolve().name}-{secrets.token_hex(4)}"
    path.write_text(f"{name}\n", "utf-8")
    return name, False


def options(run: Run) -> dict[str, Any]:
    """The run file as it runs, without what looks like a secret."""
    text = (run.directory / "config.toml").read_text("utf-8")
    return {name: _told(name, value) for name, value in tomllib.loads(text).items()}


def numbers(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that are finite numbers: the others would not be drawn, and not be JSON."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _told(name: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return {inner: _told(inner, one) for inner, one in value.items()}
    if isinstance(value, list):
        return [_told(name, one) for one in value]
    return HIDDEN if isinstance(value, str) and value and _SECRET.search(name) else value
