"""The run directory: what was sampled, scored and paid, and why. Parquet, readable by anyone.

Prompt (text or chat messages), ground truth, metadata and evidence are JSON strings, lone surrogates escaped. Every
process adds complete files of its own, by rename, so that nobody ever reads half a file.
"""

import json
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guerdon.errors import DataError
from guerdon.mixture import Total
from guerdon.types import Rollout

if TYPE_CHECKING:
    import pyarrow as pa

JSON_COLUMNS = ("prompt", "ground_truth", "metadata", "terms")


class Ledger:
    """The scored rollouts of one run, under `directory/rollouts`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "rollouts"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.writer = f"{socket.gethostname()}-{os.getpid()}"
        self.parts = 0

    def write(self, step: int, rollouts: Sequence[Rollout], totals: Sequence[Total]) -> Path:
        """Add the rollouts of a step, as one complete file."""
        path = self.directory / f"step-{step:05d}.{self.writer}.{self.parts}.parquet"
        self.parts += 1
        write_parquet(path, [{"step": step, **row(*pair)} for pair in zip(rollouts, totals, strict=True)])
        return path

    def read(self) -> Iterator[dict[str, Any]]:
        """Every row, in the order of the steps."""
        for path in sorted(self.directory.glob("step-*.parquet")):
            yield from read_parquet(path)


def row(rollout: Rollout, total: Total) -> dict[str, Any]:
    """One scored rollout as plain data: the task, the completion, and what every term said."""
    task = rollout.task
    return {
        "id": task.id,
        "prompt": task.prompt,
        "completion": rollout.completion,
        "ground_truth": task.ground_truth,
        "domain": task.domain,
        "language": task.language,
        "metadata": dict(task.metadata),
        "truncated": rollout.truncated,
        "prefill": rollout.prefill,
        **verdict(total),
    }


def verdict(total: Total) -> dict[str, Any]:
    """What a mixture said of one rollout, as plain data."""
    return {
        "score": total.value,
        "outcome": str(total.outcome),
        "reason": total.reason,
        "terms": {
            name: {
                "value": term.score.value,
                "reason": term.score.reason,
                "outcome": str(term.score.outcome),
                "seconds": term.seconds,
                "queued_seconds": term.queued_seconds,
                "evidence": dict(term.score.evidence),
            }
            for name, term in total.terms.items()
        },
    }


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as one complete file; an interrupted write leaves nothing under `path`."""
    import pyarrow.parquet as pq

    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        pq.write_table(_table(rows), unfinished, compression="zstd")
        with open(unfinished, "rb") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        raise DataError(
            str(path), f"cannot be written: {error.strerror or error}", "free some space, and resume"
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)


def read_parquet(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file that `write_parquet` wrote."""
    import pyarrow.parquet as pq

    for batch in pq.ParquetFile(path).iter_batches():
        for plain in batch.to_pylist():
            yield {name: _load(value) if name in JSON_COLUMNS else _unescape(value) for name, value in plain.items()}


def _table(rows: Sequence[Mapping[str, Any]]) -> "pa.Table":
    import pyarrow as pa

    return pa.Table.from_pylist(
        [
            {name: json.dumps(value) if name in JSON_COLUMNS else _escape(value) for name, value in plain.items()}
            for plain in rows
        ]
    )


def _load(value: str | None) -> Any:
    return None if value is None else json.loads(value)


SURROGATE_MARK = "\ufdd0"
"""A noncharacter (Unicode 23.7), so that text from the world does not hold it; one that does is escaped too."""


def _escape(value: Any) -> Any:
    # Parquet strings are UTF-8, which has no lone surrogates.
    if not isinstance(value, str):
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        pass
    else:
        if SURROGATE_MARK not in value:
            return value
    return SURROGATE_MARK + json.dumps(value)


def _unescape(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(SURROGATE_MARK):
        return json.loads(value[1:])
    return value
