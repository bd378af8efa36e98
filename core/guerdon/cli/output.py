"""The scored rows on disk: whatever happens, what was scored is there, and `--resume` goes on from there.

Rows are appended as JSON lines. A Parquet file is made of them at the end; until then they lie beside it. A small
record of what was asked lies there too, so that nobody resumes with another run file by mistake.
"""

import fcntl
import json
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, Self

from guerdon.cli.terminal import counted
from guerdon.errors import DataError
from guerdon.jsonvalues import parse, plain
from guerdon.scoring import Chunk, ReadRollout

SUFFIXES = (".jsonl", ".parquet")
OURS = ("score", "outcome", "reason", "terms")
"""The columns that scoring writes."""


class Output:
    """The file that scored rows go to. Use it in a `with`, which closes but does not finish it."""

    def __init__(self, path: Path, asked: Mapping[str, Any], resume: bool, overwrite: bool) -> None:
        """`asked` says what the scores depend on: a resumed scoring must say the same. Raises DataError."""
        self.path = path
        self.rows = 0
        self.lines = path if path.suffix == ".jsonl" else path.with_name(f"{path.name}.unfinished.jsonl")
        self.record = record_of(path)
        _check_place(path)
        self.lock = self._locked()
        try:
            begun = self.record.stat().st_size > 0
            if (path.exists() or begun) and not resume and not overwrite:
                raise DataError(
                    str(path),
                    "is there already" if path.exists() else "was begun and not finished",
                    "go on with it by --resume (if a scoring was interrupted), or replace it by --overwrite",
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

    def take_up(self, chunks: Iterator[Chunk], rollouts: Path) -> Iterator[tuple[Chunk, list[dict[str, Any]]]]:
        """The chunks that are on disk as a whole, with their scored rows. What follows them on disk is cut off.

        Raises DataError, and cuts nothing off, if a row on disk is not made of the row of `rollouts` in its place.
        When it is through, `chunks` stands at the first chunk that is still to be scored: see `rest`.
        """
        self.rest: Iterator[Chunk] = iter(())
        lines = self._complete_lines()
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
        # The record is the last to go: it is the lock too, and without it the file may be somebody else's.
        if self.lines != self.path:
            self.lines.unlink()
        self.record.unlink(missing_ok=True)

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
        kept = f"{counted(self.rows, 'scored rollout')} {'is' if self.rows == 1 else 'are'} kept"
        way_out = f"{kept}; make room, and go on with --resume" if self.rows else ""
        return DataError(str(self.path), f"cannot be written: {error.strerror or error}", way_out)


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


def _is_scored(row: Mapping[str, Any], read: ReadRollout) -> bool:
    """Whether a row on disk holds the columns of this row of the input. As JSON text: NaN is not equal to itself."""
    return all(name in row for name in OURS) and all(
        name in row and json.dumps(row[name]) == json.dumps(value)
        for name, value in read.row.items()
        if name not in OURS
    )


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
