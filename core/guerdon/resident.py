"""The open mixture of a process, for trainers that only know a function: made by the first who asks for it."""

import concurrent.futures.thread  # noqa: F401  # whose end of process must come after that of the mixtures
import os
import threading
from collections.abc import Sequence
from pathlib import Path

from guerdon.mixture import Mixture
from guerdon.runfile import load

_opened: dict[tuple[int, Path, Sequence[str], str | None, int | None], Mixture] = {}
_lock = threading.Lock()


def resident(run_file: Path, overrides: Sequence[str], stage: str | None, workers: int | None) -> Mixture:
    """The rewards of a run file, open in this process, whoever asks first. From any thread. Raises GuerdonError."""
    key = (os.getpid(), run_file, tuple(overrides), stage, workers)
    with _lock:
        if key not in _opened:
            _opened[key] = mixture = load(run_file, overrides).mixture(workers, stage).open()
            # Not `atexit`: it comes when there are no more threads to be had, which closing needs, and never comes in
            # the processes of `multiprocessing`.
            threading._register_atexit(mixture.close)  # type: ignore[attr-defined]
        return _opened[key]


def _forked() -> None:
    global _lock  # noqa: PLW0603  # a thread that was not forked may hold the old one
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forked)
