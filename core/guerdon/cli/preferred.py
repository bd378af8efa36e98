"""What `guerdon prefer` has sampled and compared so far, on disk; the pairs are made of it at the end."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from guerdon.cli.unfinished import Unfinished, encoded
from guerdon.errors import DataError
from guerdon.preference import Pair
from guerdon.preferring import Known


class Preferred(Unfinished):
    """The file that pairs go to."""

    noun: ClassVar[str] = "row of sampled or compared completions"
    column: ClassVar[str] = "task"

    def __init__(self, path: Path, asked: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
        lines = path.with_name(f"{path.name}.unfinished.jsonl")
        super().__init__(path, lines, asked, resume=resume, overwrite=overwrite)
        self.known = Known()

    def take_up(self) -> None:
        """Know what is on disk. Raises DataError."""
        end = 0
        for end, row in self.complete_lines():  # noqa: B007 - where the last one ends
            self.known.take(row, str(self.lines))
            self.rows += 1
        self.cut(end)

    def finished(self, pairs: Sequence[Pair]) -> None:
        """Write these pairs, all at once, and keep nothing else. Raises DataError."""
        self.finish(lambda: self._make([pair.row() for pair in pairs]))

    def _make(self, rows: Sequence[Mapping[str, Any]]) -> None:
        if self.path.suffix == ".parquet":
            from guerdon.parquet import write_parquet

            write_parquet(self.path, rows)
            return
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
        try:
            aside.write_bytes(b"".join(map(encoded, rows)))
            os.replace(aside, self.path)
        except OSError as error:
            what = f"cannot be written: {error.strerror or error}"
            raise DataError(str(self.path), what, "make room, and go on with --resume") from None
        finally:
            aside.unlink(missing_ok=True)
