"""Answers that were paid for once, in a file, so that nothing is asked twice."""

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from guerdon.errors import DataError


class Cache:
    """JSON values by key, in one SQLite file that several processes may use. It holds no keys to any API."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it. Raises DataError."""
        self.path = path
        if not path.parent.is_dir():
            raise DataError(str(path), f"there is no directory {path.parent}", "make it, or name another as `cache`")
        try:
            self._database = sqlite3.connect(path, timeout=60, isolation_level=None)
            # what is written here survives the end of the process, and other processes may read meanwhile
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS completions (key TEXT PRIMARY KEY, answer TEXT NOT NULL)"
            )
        except sqlite3.Error as error:
            raise self.unusable(error) from None

    def get(self, key: str) -> Any:
        """The value of this key; None if there is none. Raises DataError."""
        try:
            row = self._database.execute("SELECT answer FROM completions WHERE key = ?", (key,)).fetchone()
            return json.loads(row[0]) if row else None
        except (sqlite3.Error, ValueError) as error:
            raise self.unusable(error) from None

    def put(self, values: Mapping[str, Any]) -> None:
        """Keep values, all of them or none. The first of a key stays. Raises DataError."""
        rows = [(key, json.dumps(value)) for key, value in values.items()]
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR IGNORE INTO completions VALUES (?, ?)", rows)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            raise self.unusable(error) from None

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def unusable(self, error: Exception) -> DataError:
        """What to raise for a value that is none of those which were put."""
        return DataError(str(self.path), f"cannot be used as a cache: {error}", "name another file as `cache`")
