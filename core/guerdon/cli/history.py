"""What a run directory says of itself: its metrics, its notes and what it counts as right. No plugin is needed."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon.errors import DataError
from guerdon.journal import METRICS, read_metrics

CONFIG = "config.toml"


@dataclass(frozen=True)
class History:
    """A run so far."""

    directory: Path
    lines: Sequence[Mapping[str, Any]]
    """One for each line of its metrics, with `step` and `stage`."""
    note: str
    """What a reader of its curves must know."""
    correct: Sequence[str]
    """The rewards that say whether a completion is right, where its run file does."""

    def curve(self, name: str, stage: str | None = None) -> tuple[list[int], list[float]]:
        """The steps (of one stage) at which there is a number of this name, and the numbers."""
        points = [
            (line["step"], float(line[name]))
            for line in self.lines
            if stage in (None, line["stage"]) and isinstance(line.get(name), int | float)
        ]
        return [step for step, _ in points], [value for _, value in points]

    def names(self, start: str, end: str = "") -> list[str]:
        """The metrics whose names begin and end so, in the order in which they first occur."""
        found = {name: None for line in self.lines for name in line if name.startswith(start) and name.endswith(end)}
        return list(found)

    def warnings(self) -> list[tuple[int, str]]:
        """What was warned of, each with its step."""
        return [(line["step"], str(said)) for line in self.lines for said in line.get("warnings", ())]

    def stages(self) -> dict[str, int]:
        """The last step of every stage, in order; 0 for one with nothing but an evaluation before its first."""
        return {line["stage"]: line["step"] for line in self.lines}


def read(directory: Path) -> History:
    """The history of a run. Raises DataError where there is none."""
    if not (directory / METRICS).is_file():
        what = "holds no metrics.jsonl" if directory.is_dir() else "is no directory"
        raise DataError(str(directory), what, "name the directory of a run, such as runs/demo")
    lines = [line for line in read_metrics(directory) if isinstance(line.get("stage"), str)]
    if not lines:
        raise DataError(str(directory / METRICS), "has no complete line yet", "wait until a step is done")
    config = _config(directory / CONFIG)
    note, evaluation = config.get("note"), config.get("evaluation")
    correct = evaluation.get("correct") if isinstance(evaluation, dict) else None
    return History(
        directory, lines, note if isinstance(note, str) else "", correct if isinstance(correct, list) else []
    )


def _config(path: Path) -> dict[str, Any]:
    # Only words beside the curves come from it, so they are drawn without it too.
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
