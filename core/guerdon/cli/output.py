"""The scored rows on disk. A Parquet file is made of them at the end; until then they lie beside it, as JSON lines."""

import json
from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar

from guerdon.cli.unfinished import Unfinished
from guerdon.errors import DataError
from guerdon.jsonvalues import parse
from guerdon.scoring import Chunk, ReadRollout

OURS = ("score", "outcome", "reason", "terms")
"""The columns that scoring writes."""


class Output(Unfinished):
    """The file that scored rows go to."""

    noun: ClassVar[str] = "scored rollout"
    column: ClassVar[str] = "terms"

    def __init__(self, path: Path, asked: Mapping[str, Any], resume: bool, overwrite: bool) -> None:
        lines = path if path.suffix == ".jsonl" else path.with_name(f"{path.name}.unfinished.jsonl")
        super().__init__(path, lines, asked, resume=resume, overwrite=overwrite)

    def take_up(self, chunks: Iterator[Chunk], rollouts: Path) -> Iterator[tuple[Chunk, list[dict[str, Any]]]]:
        """The chunks that are on disk as a whole, with their scored rows. What follows them on disk is cut off.

        Raises DataError, and cuts nothing off, if a row on disk is not made of the row of `rollouts` in its place.
        When it is through, `chunks` stands at the first chunk that is still to be scored: see `rest`.
        """
        self.rest: Iterator[Chunk] = iter(())
        lines = self.complete_lines()
        kept = 0
        for chunk in chunks:
            old = list(islice(lines, len(chunk.read)))
            for number, (read, (_, row)) in enumerate(zip(chunk.read, old, strict=False), self.rows + 1):
                if not _is_scored(row, read):
                    what = f"line {number} is not the scored row of line {read.line} of {rollouts}"
                    raise DataError(str(self.lines), what, "begin again with --overwrite")
            if len(old) < len(chunk.read):
                self.rest = chain([chunk], chunks)
                break
            kept = old[-1][0]
            self.rows += len(old)
            yield chunk, [row for _, row in old]
        lines.close()
        self.cut(kept)

    def finished(self) -> None:
        """Everything is scored."""
        self.finish(self._make)

    def _make(self) -> None:
        if self.lines != self.path:
            from guerdon.parquet import write_parquet

            write_parquet(self.path, _Rows(self.lines))


class _Rows:
    """The rows of a file of ours, as often as they are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with open(self.path, "rb") as file:
            for line in file:
                yield parse(line.decode("utf-8"))


def _is_scored(row: Mapping[str, Any], read: ReadRollout) -> bool:
    """Whether a row on disk holds the columns of this row of the input. As JSON text: NaN is not equal to itself."""
    return all(name in row for name in OURS) and all(
        name in row and json.dumps(row[name]) == json.dumps(value)
        for name, value in read.row.items()
        if name not in OURS
    )
