"""The run directory: what was sampled, scored and paid, and why. Parquet, readable by anyone.

Every process adds complete files of its own, by rename, so that nobody ever reads half a file.
"""

import itertools
import os
import secrets
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from guerdon.errors import DataError
from guerdon.parquet import read_parquet, write_parquet
from guerdon.totals import NOT_APPLICABLE, TermScore, Total
from guerdon.types import Outcome, Rollout, Score


class Ledger:
    """The scored rollouts of one run, under `directory/rollouts`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "rollouts"
        self.directory.mkdir(parents=True, exist_ok=True)
        # In containers every process may have the same number, on hosts of the same name.
        self.writer = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self.parts = itertools.count()

    def write(self, step: int, rollouts: Sequence[Rollout], totals: Sequence[Total]) -> Path:
        """Add the rollouts of a step, as one complete file."""
        return self.write_rows(step, [row(*pair) for pair in zip(rollouts, totals, strict=True)])

    def write_rows(self, step: int, rows: Sequence[Mapping[str, Any]]) -> Path:
        """`write`, of rows that are plain data already."""
        path = self.directory / f"step-{step:05d}.{self.writer}.{next(self.parts)}.parquet"
        write_parquet(path, [{**one, "step": step} for one in rows])
        return path

    def read(self, paths: Iterable[Path] | None = None) -> Iterator[dict[str, Any]]:
        """Every row (of these files of it), in the order of the steps."""
        for path in sorted(self.directory.glob("step-*.parquet") if paths is None else paths, key=_step):
            for _, row in read_parquet(path):
                if isinstance(row, DataError):
                    raise row
                yield row


def _step(path: Path) -> tuple[int, str]:
    step = path.name.removeprefix("step-").partition(".")[0]
    return int(step) if step.isdecimal() else 0, path.name


def row(rollout: Rollout, total: Total) -> dict[str, Any]:
    """One scored rollout as plain data: the task, the completion, and what every term said."""
    return {**rollout_row(rollout), **verdict(total)}


def rollout_row(rollout: Rollout) -> dict[str, Any]:
    """One rollout as plain data: the task and the completion, under the names of `guerdon.columns`."""
    task = rollout.task
    return {
        "id": task.id,
        "prompt": task.prompt if isinstance(task.prompt, str) else [dict(message) for message in task.prompt],
        "completion": rollout.completion,
        "ground_truth": task.ground_truth,
        "domain": task.domain,
        "language": task.language,
        "metadata": dict(task.metadata),
        "truncated": rollout.truncated,
        "prefill": rollout.prefill,
        "prompt_ids": _listed(rollout.prompt_ids),
        "completion_ids": _listed(rollout.completion_ids),
        "logprobs": _listed(rollout.logprobs),
    }


def _listed(values: Sequence[Any] | None) -> list[Any] | None:
    return None if values is None else list(values)


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


def total_of(said: Mapping[str, Any]) -> Total:
    """The total that `verdict` made plain. Raises KeyError, TypeError or ValueError for what is no verdict."""
    terms = {name: _term(term) for name, term in said["terms"].items()}
    return Total(said["score"], Outcome(said["outcome"]), said["reason"], terms)


def _term(said: Mapping[str, Any]) -> TermScore:
    outcome = Outcome(said["outcome"])
    if outcome is Outcome.NOT_APPLICABLE:
        return NOT_APPLICABLE
    score = Score(said["value"], said["reason"], outcome, said["evidence"])
    return TermScore(score, said["seconds"], said["queued_seconds"])
