"""The run directory: what was sampled, scored and paid, and why. Parquet, readable by anyone.

Every process adds complete files of its own, by rename, so that nobody ever reads half a file.
"""

import itertools
import os
import secrets
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from guerdon.errors import DataError
from guerdon.parquet import read_parquet, write_parquet
from guerdon.totals import Total
from guerdon.types import Rollout


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
        path = self.directory / f"step-{step:05d}.{self.writer}.{next(self.parts)}.parquet"
        write_parquet(path, [{"step": step, **row(*pair)} for pair in zip(rollouts, totals, strict=True)])
        return path

    def read(self) -> Iterator[dict[str, Any]]:
        """Every row, in the order of the steps."""
        for path in sorted(self.directory.glob("step-*.parquet"), key=_step):
            for _, row in read_parquet(path):
                if isinstance(row, DataError):
                    raise row
                yield row


def _step(path: Path) -> tuple[int, str]:
    step = path.name.removeprefix("step-").partition(".")[0]
    return int(step) if step.isdecimal() else 0, path.name


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
        "prompt_ids": _listed(rollout.prompt_ids),
        "completion_ids": _listed(rollout.completion_ids),
        "logprobs": _listed(rollout.logprobs),
        **verdict(total),
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
