"""Rows in: JSONL, Parquet and CSV files, with the place of every mistake."""

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from guerdon.errors import DataError
from guerdon.jsonvalues import parse
from guerdon.parquet import read_parquet

Numbered = Iterator[tuple[int, dict[str, Any] | DataError]]
"""Line or row numbers, each with its row or with what is wrong with it."""

LARGEST_CELL = 1 << 30
BOM = b"\xef\xbb\xbf"


def read_rows(path: Path, on_bad: Callable[[DataError], None] | None = None) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a file by its suffix, each with its line (in Parquet and JSON lists: row) number from 1. Streams.

    `.jsonl`, `.ndjson` and `.json` hold JSON lines, `.json` alternatively one list of objects; each also with `.gz`.
    `.parquet` and `.csv` (with a header; every cell is text) are the others. Blank lines are skipped, and counted.

    A bad line raises DataError, or is handed to `on_bad` and skipped. A file that as a whole cannot be read, or that
    holds no rows, raises DataError in any case.
    """
    number = 0
    for number, row in _reader(path)(path):
        if not isinstance(row, DataError):
            yield number, row
        elif on_bad is None:
            raise row
        else:
            on_bad(row)
    if not number:
        raise DataError(str(path), "holds no rows" if path.stat().st_size else "is empty", "name another file")


def _reader(path: Path) -> Callable[[Path], Numbered]:
    if path.is_dir():
        raise DataError(str(path), "is a directory", "name a file in it")
    if not path.exists():
        raise DataError(str(path), "does not exist", "check the name; relative paths start where you are")
    name = path.name.lower()
    for suffix, reader in READERS.items():
        if name.endswith(suffix):
            return reader
    raise DataError(str(path), "has no suffix that says what it is", f"known are {', '.join(READERS)}")


def _json_lines(path: Path) -> Numbered:
    for number, line in _lines(path):
        text = line if isinstance(line, DataError) else line.strip()
        if text:
            yield number, text if isinstance(text, DataError) else _object(text, f"{path}:{number}")


def _json(path: Path) -> Numbered:
    if not _starts_with_bracket(path):
        yield from _json_lines(path)
        return
    lines = []
    for _, line in _lines(path):
        if isinstance(line, DataError):
            raise line
        lines.append(line)
    try:
        items = parse("".join(lines))
    except ValueError as error:
        raise DataError(str(path), f"is no JSON: {error}", "mend it, or write one object a line") from None
    for number, item in enumerate(items, 1):
        if isinstance(item, dict):
            yield number, item
        else:
            yield number, DataError(f"{path}:{number}", f"is {_kind(item)}, not an object", ONE_OBJECT)


def _csv(path: Path) -> Numbered:
    csv.field_size_limit(LARGEST_CELL)

    def text() -> Iterator[str]:
        for _, line in _lines(path):
            if isinstance(line, DataError):
                raise line  # a cell may go over many lines, so one that is lost cannot be skipped
            yield line

    reader = csv.reader(text(), strict=True)
    header: list[str] = []
    while True:
        number = reader.line_num + 1
        where = f"{path}:{number}"
        try:
            cells = next(reader, None)
        except csv.Error as error:
            yield number, DataError(where, f"is no CSV: {error}", "mend the quotes of this row")
            continue
        if cells is None:
            return
        if not header:
            header = cells
            if len(set(header)) < len(header):
                raise DataError(where, "names a column twice in the header", "rename one")
        elif len(cells) == len(header):
            yield number, dict(zip(header, cells, strict=True))
        elif cells:
            what = f"has {len(cells)} cells where the header has {len(header)}"
            yield number, DataError(where, what, "put a cell that has commas into quotes")


def _object(text: str, where: str) -> dict[str, Any] | DataError:
    try:
        value = parse(text)
    except ValueError as error:
        return DataError(where, f"is no JSON: {error}", ONE_OBJECT)
    return value if isinstance(value, dict) else DataError(where, f"is {_kind(value)}, not an object", ONE_OBJECT)


def _lines(path: Path) -> Iterator[tuple[int, str | DataError]]:
    number = 0
    try:
        with _open(path) as file:
            for number, line in enumerate(file, 1):
                try:
                    yield number, (line.removeprefix(BOM) if number == 1 else line).decode("utf-8")
                except UnicodeDecodeError as error:
                    what = f"is not UTF-8 (byte {error.start + 1} of the line)"
                    yield number, DataError(f"{path}:{number}", what, "save the file as UTF-8")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        what = f"breaks off after line {number}" if number else "is no gzip file"
        raise DataError(str(path), f"{what}: {str(error).rstrip('.')}", "make or copy it again") from None
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror or error}") from None


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path)) if path.name.lower().endswith(".gz") else open(path, "rb")


def _starts_with_bracket(path: Path) -> bool:
    for _, line in _lines(path):
        if isinstance(line, DataError):
            return False
        if line.strip():
            return line.lstrip().startswith("[")
    return False


def _kind(value: Any) -> str:
    match value:
        case None | bool():
            return json.dumps(value)
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "a number"


ONE_OBJECT = "write one JSON object a line"
READERS: dict[str, Callable[[Path], Numbered]] = {
    ".jsonl": _json_lines,
    ".jsonl.gz": _json_lines,
    ".ndjson": _json_lines,
    ".ndjson.gz": _json_lines,
    ".json": _json,
    ".json.gz": _json,
    ".parquet": read_parquet,
    ".csv": _csv,
}
"""How a file is read, by the end of its name."""
