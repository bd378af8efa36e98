"""Scored rollouts on their way home: each process that samples writes complete files, and the launcher gathers them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guerdon.ledger import Ledger

ROWS = 512
"""So many are written at once at most."""


class Parts:
    """The rollouts that one process has scored, under `directory`."""

    def __init__(self, directory: Path) -> None:
        self.ledger = Ledger(directory)
        self.rows: list[Mapping[str, Any]] = []

    def add(self, row: Mapping[str, Any]) -> None:
        """Keep a scored rollout, as plain data, until the next `write`."""
        self.rows.append(row)

    @property
    def full(self) -> bool:
        """Whether they are better written now."""
        return len(self.rows) >= ROWS

    def write(self) -> None:
        """Write what was added as one complete file. Raises DataError (a full disk); nothing is lost then."""
        rows, self.rows = self.rows, []
        if not rows:
            return
        try:
            self.ledger.write_rows(0, rows)
        except BaseException:
            self.rows = [*rows, *self.rows]
            raise


def gather(directory: Path) -> list[dict[str, Any]]:
    """Everything that is there, in the order of the questions; it is gone from there afterwards. Raises DataError."""
    ledger = Ledger(directory)
    paths = list(ledger.directory.glob("*.parquet"))
    rows = list(ledger.read(paths))
    for path in paths:
        path.unlink()
    return sorted(rows, key=lambda row: int(row["group"]))
