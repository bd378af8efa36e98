"""What a trainer says as it goes on: kept in the run directory, told to the listeners, and gone on from."""

import json
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guerdon.checkpoints import Checkpoints
from guerdon.errors import DataError, Interrupted

if TYPE_CHECKING:
    from guerdon.events import Listeners
    from guerdon.hacking import Watch
    from guerdon.ledger import Ledger
    from guerdon.totals import Total
    from guerdon.types import Rollout

METRICS = "metrics.jsonl"


class Journal:
    """One stage's part of a run directory.

    A trainer counts its own steps from 1; in files and hooks they are numbered on from `before`, the steps of earlier
    stages. `restored` is the checkpoint directory that the stage goes on from after an interruption, else None.
    """

    def __init__(
        self,
        directory: Path,
        stage: str,
        listeners: "Listeners",
        *,
        before: int = 0,
        done: int = 0,
        restored: Path | None = None,
        interruption: threading.Event | None = None,
        watch: "Watch | None" = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`done`: the steps that `restored` holds. `interruption` is set when the run is to be saved and left.

        `watch` hears the metrics of every step, and its warnings are kept with them and said.
        `say` takes a line for whoever watches: what a trainer that is long without a step is doing.
        """
        self.directory, self.stage, self.listeners = directory, stage, listeners
        self.before, self.done, self.restored = before, done, restored
        self.checkpoints = Checkpoints(directory / "checkpoints")
        self.interruption = interruption or threading.Event()
        self.watch, self.say = watch, say
        self.total = 0
        self._saved_to_leave = False

    @cached_property
    def ledger(self) -> "Ledger":
        """Where the scored rollouts of the run are kept."""
        from guerdon.ledger import Ledger

        return Ledger(self.directory)

    def steps(self, total: int) -> Iterator[int]:
        """The numbers of the steps that are still to be done of `total`.

        Raises Interrupted where the next step would begin after Ctrl-C and the checkpoint that `due` asked for.
        """
        self.total = total
        for step in range(self.done + 1, total + 1):
            yield step
            self.done = step
            if self._saved_to_leave and step < total:
                raise Interrupted(self.stage, step, total)

    def due(self, step: int, every: int, total: int) -> bool:
        """Whether a checkpoint is to be saved after this step: every so many, at the end, and when interrupted."""
        self._saved_to_leave = self.interruption.is_set()
        return step == total or self._saved_to_leave or (every > 0 and step % every == 0)

    @contextmanager
    def saving(self, step: int, last: bool = False) -> Iterator[Path]:
        """An empty directory for a checkpoint; it counts only once the context has ended without an error.

        Put a complete Hugging Face checkpoint there, and what the trainer needs to go on into `trainer/`. `last`: the
        stage is over with it. Raises DataError, as on a full disk.
        """
        with self.checkpoints.saving(self.before + step, self.stage, step, last) as path:
            yield path

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """One step is done. A value that is no finite number is kept as null and told as nan.

        Raises DataError if the metrics cannot be written.
        """
        number = self.before + step
        finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        warnings = self.watch.hear(finite) if self.watch is not None else []
        told = {"warnings": warnings} if warnings else {}
        line = json.dumps({"step": number, "stage": self.stage, **finite, **told}) + "\n"
        path = self.directory / METRICS
        try:
            with path.open("a") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            way_out = "make room and go on with --resume"
            raise DataError(str(path), f"could not be written: {error.strerror}", way_out) from None
        for warning in warnings:
            self.say(f"warning, step {number:,}: {warning}")
        self.listeners.step_finished(number, metrics)

    def scored(self, step: int, rollouts: Sequence["Rollout"], totals: Sequence["Total"]) -> None:
        """Rollouts of a step have their totals; they are kept under `rollouts/`. Raises DataError (a full disk)."""
        number = self.before + step
        self.ledger.write(number, rollouts, totals)
        self.listeners.rollouts_scored(number, rollouts, totals)


def trim(directory: Path, step: int) -> None:
    """Drop what a run directory holds of steps after this one, and what was torn by the end of its process."""
    Checkpoints(directory / "checkpoints").drop_after(step)
    for kind in ("rollouts", "evaluations"):
        for path in (directory / kind).glob("*"):
            number = path.name.removeprefix("step-").partition(".")[0]
            # A file that was never completed has another name.
            if not number.isdecimal() or int(number) > step:
                path.unlink()
    path = directory / METRICS
    if path.exists():
        kept = [line for line, metrics in _lines(path) if metrics["step"] <= step]
        aside = path.with_suffix(".trimmed")
        aside.write_text("".join(kept))
        os.replace(aside, path)


def read_metrics(directory: Path) -> list[dict[str, Any]]:
    """Every line of a run's metrics; what a kill left behind of its last line is passed over."""
    return [metrics for _, metrics in _lines(directory / METRICS)]


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for line in path.read_text().splitlines(keepends=True):
        try:
            metrics = json.loads(line)
        except ValueError:
            continue
        if line.endswith("\n") and isinstance(metrics, dict) and isinstance(metrics.get("step"), int):
            yield line, metrics
