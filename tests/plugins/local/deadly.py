"""Trains in a process of its own, and dies at the moment that DIES names: `scored 3`, `logged 3`, `saving 4`."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import practice

from guerdon.journal import Journal
from guerdon.totals import Total
from guerdon.types import Rollout


def _die(*moment: object) -> None:
    if os.environ.get("DIES") == " ".join(map(str, moment)):
        os.kill(os.getpid(), signal.SIGKILL)


class Deadly(Journal):
    """A journal after whose words the process may be gone."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        super().log(step, metrics)
        _die("logged", step)

    def scored(self, step: int, rollouts: Sequence[Rollout], totals: Sequence[Total]) -> None:
        super().scored(step, rollouts, totals)
        _die("scored", step)

    @contextmanager
    def saving(self, step: int, last: bool = False) -> Iterator[Path]:
        with super().saving(step, last) as path:
            yield path
            _die("saving", step)


def main(file: str, *arguments: str) -> None:
    """`--resume` goes on."""
    import torch

    import guerdon.training

    torch.set_num_threads(1)
    guerdon.training.Journal = Deadly  # type: ignore[misc]
    practice.go(Path(file), resume="--resume" in arguments)
