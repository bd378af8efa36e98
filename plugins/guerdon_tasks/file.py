"""Tasks from JSONL, Parquet and CSV files."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from guerdon import Task
from guerdon.rows import read_rows
from guerdon_tasks.table import TableTasks


class FileTasks(TableTasks):
    """The rows of one file or of several: JSONL, Parquet or CSV, by suffix; JSONL may be gzipped."""

    name: ClassVar[str] = "file"

    path: Path | tuple[Path, ...]
    """The file, or a list of files. A relative path starts where guerdon was started."""

    def __iter__(self) -> Iterator[Task]:  # type: ignore[override]  # as in Tasks
        """The tasks, in the order of the files."""
        return self.tasks(self._rows())

    def _rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for path in self.path if isinstance(self.path, tuple) else (self.path,):
            for number, row in read_rows(path.expanduser()):
                yield f"{path}:{number}", row
