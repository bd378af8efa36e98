"""The scored rows on disk: whatever happens, what was scored is there, and `--resume` goes on from there.

Rows are appended as JSON lines. A Parquet file is made of them at the end; until then they lie beside it. A small
record of what was asked lies there too, so that nobody resumes with another run file by mistake.
"""

import json
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, Self

from guerdon.errors import DataError
from guerdon.jsonvalues import parse, plain
from guerdon.scoring import Chunk

SUFFIXES = (".jsonl", ".parquet")


class Output:
    """The file that scored rows go to. Use it in a `with`, which closes but does not finish it."""

    def __init__(self, path: Path, asked: Mapping[str, Any], resume: bool, overwrite: bool) -> None:
        """`asked` says what the scores depend on: a resumed scoring must say the same. Raises DataError."""
        self.path = path
        self.rows = 0
        self.lines = path if path.suffix == ".jsonl" else path.with_name(f"{path.name}.unfinished.jsonl")
        self.record = record_of(path)
        _check_place(path)
        there = [one for one in (path, self.record) if one.exists()]
        if there and not resume and not overwrite:
            raise DataError(
                str(path),
                "is there already" if path.exists() else "was begun and not finished",
                "go on with it by --resume (if a scoring was interrupted), or replace it by --overwrite",
            )
        if overwrite or not there:
            self._begin(asked)
        else:
            self._check_same(asked)
        self.file = self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.file.close()
        except OSError:
            pass  # the write that could not be flushed has been reported

    def take_up(self, chunks: Iterator[Chunk]) -> Iterator[tuple[Chunk, list[dict[str, Any]]]]:
        """The chunks that are on disk as a whole, with their scored rows. What follows them on disk is cut off.

        When it is through, `chunks` stands at the first chunk that is still to be scored: see `rest`.
        """
        self.rest: Iterator[Chunk] = iter(())
        lines = self._complete_lines()
        kept = 0
        for chunk in chunks:
            old = list(islice(lines, len(chunk.read)))
            if len(old) < len(chunk.read):
                self.rest = chain([chunk], chunks)
                break
            kept = old[-1][0]
            self.rows += len(old)
            yield chunk, [row for _, row in old]
        lines.close()
        self.file.truncate(kept)
        self.file.seek(kept)

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows, and flush them. Raises DataError when they cannot be written; what was there stays."""
        encoded = [_encode(row) for row in rows]
        try:
            self.file.write(b"".join(encoded))
            self.file.flush()
        except OSError as error:
            raise self._cannot_write(error) from None
        self.rows += len(encoded)

    def finish(self) -> None:
        """Everything is scored: make the file what it is to be, and remove what only a resumption needs."""
        try:
            os.fsync(self.file.fileno())
        except OSError as error:
            raise self._cannot_write(error) from None
        if self.lines != self.path:
            from guerdon.parquet import write_parquet

            write_parquet(self.path, _Rows(self.lines))
        self.record.unlink(missing_ok=True)
        if self.lines != self.path:
            self.lines.unlink()

    def _begin(self, asked: Mapping[str, Any]) -> None:
        # The record is the last to go and the first to come, so that a file without one is always a whole one.
        try:
            if self.lines != self.path:
                self.path.unlink(missing_ok=True)
            self.lines.unlink(missing_ok=True)
            self.record.write_text(json.dumps(asked), "utf-8")
        except OSError as error:
            raise self._cannot_write(error) from None

    def _check_same(self, asked: Mapping[str, Any]) -> None:
        try:
            before = json.loads(self.record.read_text("utf-8"))
        except FileNotFoundError:
            what = f"cannot be resumed: there is no {self.record.name} beside it, so it is complete or somebody else's"
            raise DataError(str(self.path), what, "replace it by --overwrite, or name another --out") from None
        except (OSError, ValueError):
            raise DataError(str(self.record), "cannot be read", "begin again with --overwrite") from None
        changed = [name for name, value in asked.items() if before.get(name) != value]
        if changed:
            what = f"was begun with other scores in mind: changed since: {', '.join(changed)}"
            raise DataError(str(self.path), what, "undo the change, or begin again with --overwrite")

    def _open(self) -> Any:
        try:
            self.lines.touch()
            return open(self.lines, "r+b")
        except OSError as error:
            raise self._cannot_write(error) from None

    def _complete_lines(self) -> Generator[tuple[int, dict[str, Any]], None, None]:
        end = 0
        with open(self.lines, "rb") as file:
            for line in file:
                end += len(line)
                if not line.endswith(b"\n"):
                    return  # torn by a kill
                try:
                    row = parse(line.decode("utf-8"))
                except ValueError:
                    return  # what follows is scored again
                if not isinstance(row, dict) or "terms" not in row:
                    return
                yield end, row

    def _cannot_write(self, error: OSError) -> DataError:
        return DataError(
            str(self.path),
            f"cannot be written: {error.strerror or error}",
            f"{self.rows:,} scored rollouts are kept; make room, and go on with --resume" if self.rows else "",
        )


def record_of(path: Path) -> Path:
    """Where the record of an unfinished scoring into `path` lies."""
    return path.with_name(f"{path.name}.resume.json")


class _Rows:
    """The rows of a file of ours, as often as they are asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with open(self.path, "rb") as file:
            for line in file:
                yield parse(line.decode("utf-8"))


def _check_place(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise DataError(str(path), "is neither .jsonl nor .parquet", "give it one of these suffixes")
    if path.is_dir():
        raise DataError(str(path), "is a directory", "name a file in it")
    if not path.parent.is_dir():
        raise DataError(str(path), f"there is no directory {path.parent}", "make it")


def _encode(row: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(row, ensure_ascii=False)
    except TypeError:
        text = json.dumps(plain(row), ensure_ascii=False)  # evidence that never saw a worker
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(plain(row)).encode() + b"\n"  # lone surrogates
