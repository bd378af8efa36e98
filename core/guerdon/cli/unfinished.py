"""Rows on disk that are not all there yet: whatever happens, what is done is kept, and `--resume` goes on from there.

Rows are appended as JSON lines. A small record of what was asked lies beside them, so that nobody resumes something
else by mistake.
"""

import fcntl
import json
import os
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Self

from guerdon.cli.terminal import counted
from guerdon.errors import DataError
from guerdon.jsonvalues import parse, plain

SUFFIXES = (".jsonl", ".parquet")


class Unfinished:
    """The rows of a file that is being made. Use it in a `with`, which closes but does not finish it."""

    noun: ClassVar[str]
    """What a row is."""
    column: ClassVar[str]
    """The column that every row of it has."""

    def __init__(self, path: Path, lines: Path, asked: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
        """`lines`: where rows lie until `path` is whole; it may be `path`. `asked` says what they depend on: whoever
        resumes must say the same. Raises DataError."""
        self.path = path
        self.rows = 0
        self.lines = lines
        self.record = record_of(path)
        _check_place(path)
        self.lock = self._locked()
        try:
            begun = self.record.stat().st_size > 0
            if (path.exists() or begun) and not resume and not overwrite:
                raise DataError(
                    str(path),
                    "is there already" if path.exists() else "was begun and not finished",
                    "go on with it by --resume (if it was interrupted), or replace it by --overwrite",
                )
            if overwrite or not (path.exists() or begun):
                self._begin(asked)
            else:
                self._check_same(asked, begun)
            self.file = self._open()
        except BaseException:
            self._unlock()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.file.close()
        except OSError:
            pass  # the write that could not be flushed has been reported
        self._unlock()

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write rows, and flush them. Raises DataError when they cannot be written; what was there stays."""
        lines = [encoded(row) for row in rows]
        try:
            self.file.write(b"".join(lines))
            self.file.flush()
        except OSError as error:
            raise self._cannot_write(error) from None
        self.rows += len(lines)

    def finish(self, make: Callable[[], None]) -> None:
        """Everything is there: `make` the file what it is to be, and remove what only a resumption needs."""
        try:
            os.fsync(self.file.fileno())
        except OSError as error:
            raise self._cannot_write(error) from None
        make()
        # The record is the last to go: it is the lock too, and without it the file may be somebody else's.
        if self.lines != self.path:
            self.lines.unlink()
        self.record.unlink(missing_ok=True)

    def complete_lines(self) -> Generator[tuple[int, dict[str, Any]], None, None]:
        """The rows on disk, each with where it ends; none from the first on that a kill has torn."""
        end = 0
        with open(self.lines, "rb") as file:
            for line in file:
                end += len(line)
                if not line.endswith(b"\n"):
                    return  # torn by a kill
                try:
                    row = parse(line.decode("utf-8"))
                except ValueError:
                    return  # what follows is done again
                if not isinstance(row, dict) or self.column not in row:
                    return
                yield end, row

    def cut(self, end: int) -> None:
        """Drop what is on disk after this many bytes, and go on there."""
        self.file.truncate(end)
        self.file.seek(end)

    def _locked(self) -> BinaryIO:
        """The record, open and locked for this process until it is closed; empty if there was none."""
        while True:
            try:
                file = open(self.record, "ab")  # noqa: SIM115 - it stays open
            except OSError as error:
                raise self._cannot_write(error) from None
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_record(file):
                    return file
            except BlockingIOError:
                file.close()
                way_out = "let it end, or name another --out"
                raise DataError(str(self.path), "another guerdon is writing it", way_out) from None
            except OSError:
                return file  # a file system without locks
            file.close()  # who had it has just finished, and removed it

    def _unlock(self) -> None:
        if self._is_record(self.lock) and not self.record.stat().st_size:
            self.record.unlink()
        self.lock.close()

    def _is_record(self, file: BinaryIO) -> bool:
        try:
            return os.path.samestat(os.fstat(file.fileno()), self.record.stat())
        except FileNotFoundError:
            return False

    def _begin(self, asked: Mapping[str, Any]) -> None:
        try:
            if self.lines != self.path:
                self.path.unlink(missing_ok=True)
            self.lines.unlink(missing_ok=True)
            self.record.write_text(json.dumps(asked), "utf-8")
        except OSError as error:
            raise self._cannot_write(error) from None

    def _check_same(self, asked: Mapping[str, Any], begun: bool) -> None:
        if not begun:
            what = f"cannot be resumed: there is no {self.record.name} beside it, so it is complete or somebody else's"
            raise DataError(str(self.path), what, "replace it by --overwrite, or name another --out")
        try:
            before = json.loads(self.record.read_text("utf-8"))
        except (OSError, ValueError):
            raise DataError(str(self.record), "cannot be read", "begin again with --overwrite") from None
        changed = [name for name, value in asked.items() if before.get(name) != value]
        if changed:
            what = f"was begun with something else in mind: changed since: {', '.join(changed)}"
            raise DataError(str(self.path), what, "undo the change, or begin again with --overwrite")

    def _open(self) -> Any:
        try:
            self.lines.touch()
            return open(self.lines, "r+b")
        except OSError as error:
            raise self._cannot_write(error) from None

    def _cannot_write(self, error: OSError) -> DataError:
        kept = f"{counted(self.rows, self.noun)} {'is' if self.rows == 1 else 'are'} kept"
        way_out = f"{kept}; make room, and go on with --resume" if self.rows else ""
        return DataError(str(self.path), f"cannot be written: {error.strerror or error}", way_out)


def record_of(path: Path) -> Path:
    """Where the record of an unfinished scoring into `path` lies."""
    return path.with_name(f"{path.name}.resume.json")


def _check_place(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise DataError(str(path), "is neither .jsonl nor .parquet", "give it one of these suffixes")
    if path.is_dir():
        raise DataError(str(path), "is a directory", "name a file in it")
    if not path.parent.is_dir():
        raise DataError(str(path), f"there is no directory {path.parent}", "make it")


def encoded(row: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(row, ensure_ascii=False)
    except TypeError:
        text = json.dumps(plain(row), ensure_ascii=False)  # evidence that never saw a worker
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        return json.dumps(plain(row)).encode() + b"\n"  # lone surrogates
