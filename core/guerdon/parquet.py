"""Rows to Parquet and back: any JSON value survives in files of ours, and files of others are read with care.

In ours, a column of anything but plain text, truth values or numbers holds JSON text, and the schema's metadata lists
these columns. Parquet strings are UTF-8, so text with lone surrogates is escaped behind a mark.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guerdon.errors import DataError
from guerdon.jsonvalues import parse, plain

if TYPE_CHECKING:
    import pyarrow as pa

JSON_COLUMNS = ("prompt", "ground_truth", "metadata", "terms")
"""Columns that are JSON text whatever they hold, so that their type is the same in every file."""
SCHEMA_KEY = b"guerdon.json_columns"
"""In the schema's metadata: a JSON list of the columns that hold JSON text. Files of others do not have it."""
SURROGATE_MARK = "\ufdd0"
"""A noncharacter (Unicode 23.7), so that text from the world does not hold it; one that does is escaped too."""
BATCH = 512
"""Rows that are held at once: completions are long."""
EXACT = 1 << 53
"""Up to here every whole number is a double."""


def write_parquet(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows as one complete file; an interrupted write leaves nothing under `path`.

    The rows are gone over twice, the first time for the types of their columns, and never held all at once. A key that
    only some rows have is None in the others when they are read back.
    """
    import pyarrow.parquet as pq

    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        schema, texts = _schema(rows)
        with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
            every = iter(rows)
            while batch := list(islice(every, BATCH)):
                writer.write_table(_table(batch, schema, texts))
        with open(unfinished, "rb") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        raise DataError(
            str(path), f"cannot be written: {error.strerror or error}", "free some space, and resume"
        ) from None
    finally:
        unfinished.unlink(missing_ok=True)


def read_parquet(path: Path) -> Iterator[tuple[int, dict[str, Any] | DataError]]:
    """The rows of any Parquet file, numbered from 1; an error in place of a row that is not to be read.

    In a file of others a `prompt` whose text is a JSON list of messages becomes messages, and a `ground_truth` whose
    text is a JSON string or object becomes that; all else stands as it is, as JSON values. Raises DataError where the
    file as a whole is broken.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        # Not by its path: Arrow says so much more of a bad file than of a bad name.
        with open(path, "rb") as opened, pq.ParquetFile(opened) as file:
            metadata = file.schema_arrow.metadata or {}
            ours = frozenset(json.loads(metadata[SCHEMA_KEY])) if SCHEMA_KEY in metadata else None
            for batch in file.iter_batches(BATCH):
                for row in _rows(batch):
                    number += 1
                    yield (
                        number,
                        _decoded(row, ours, f"{path}:{number}")
                        if isinstance(row, dict)
                        else _bad(f"{path}:{number}", row),
                    )
    except (OSError, pa.ArrowException, ValueError) as error:
        what = f"breaks off after row {number}" if number else "is not a Parquet file"
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise DataError(str(path), f"{what}: {reason}", "make or copy it again, or give it the right suffix") from None


@dataclass
class _Seen:
    """What a column holds."""

    types: set[type] = field(default_factory=set)
    least: int = 0
    most: int = 0

    def look_at(self, value: Any) -> None:
        if value is not None:
            self.types.add(type(value))
        if type(value) is int:
            self.least, self.most = min(self.least, value), max(self.most, value)

    def arrow(self) -> "pa.DataType | None":
        """The type that holds all of it; None where only JSON text does."""
        import pyarrow as pa

        if self.types == {int, float}:
            return pa.float64() if self.least >= -EXACT and self.most <= EXACT else None
        if self.types == {int}:
            return pa.int64() if self.least >= -(1 << 63) and self.most < 1 << 63 else None
        if not self.types:
            return pa.null()
        flat = {str: pa.string(), bool: pa.bool_(), float: pa.float64()}
        return flat.get(next(iter(self.types))) if len(self.types) == 1 else None


def _schema(rows: Iterable[Mapping[str, Any]]) -> "tuple[pa.Schema, list[str]]":
    """The schema of these rows, and which of its columns are JSON text."""
    import pyarrow as pa

    seen: dict[str, _Seen] = {}
    for row in rows:
        for name, value in row.items():
            if name not in seen:
                seen[name] = _Seen()
            seen[name].look_at(value)
    types = {name: None if name in JSON_COLUMNS else column.arrow() for name, column in seen.items()}
    texts = [name for name, kind in types.items() if kind is None]
    fields = [(_escaped(name), pa.string() if kind is None else kind) for name, kind in types.items()]
    return pa.schema(fields, metadata={SCHEMA_KEY: json.dumps(texts)}), texts


def _table(rows: Sequence[Mapping[str, Any]], schema: "pa.Schema", texts: Sequence[str]) -> "pa.Table":
    import pyarrow as pa

    columns = []
    for escaped, kind in zip(schema.names, schema.types, strict=True):
        name = _unescaped(escaped)
        if name in texts:
            values = [json.dumps(row[name]) if name in row else None for row in rows]
        else:
            values = [_escaped(row.get(name)) for row in rows]
        columns.append(pa.array(values, kind))
    return pa.table(columns, schema=schema)


def _rows(batch: "pa.RecordBatch") -> Iterator[dict[str, Any] | Exception]:
    try:
        yield from batch.to_pylist(maps_as_pydicts="lossy")
    except (ValueError, OverflowError):
        # Text that is not UTF-8, a year beyond 9999: only the row that has it is lost.
        for number in range(batch.num_rows):
            try:
                yield from batch.slice(number, 1).to_pylist(maps_as_pydicts="lossy")
            except (ValueError, OverflowError) as error:
                yield error


def _bad(where: str, error: Exception) -> DataError:
    return DataError(where, f"cannot be read: {error}", "mend the row, or leave it out")


def _decoded(row: dict[str, Any], ours: frozenset[str] | None, where: str) -> dict[str, Any] | DataError:
    if ours is None:
        return {name: _of_others(name, plain(value)) for name, value in row.items()}
    try:
        values = {_unescaped(name): _unescaped(value) for name, value in row.items()}
        return {name: parse(value) if name in ours and value is not None else value for name, value in values.items()}
    except (ValueError, TypeError) as error:
        return _bad(where, error)


def _of_others(name: str, value: Any) -> Any:
    if not isinstance(value, str) or name not in ("prompt", "ground_truth"):
        return value
    if not value.startswith("[" if name == "prompt" else ("{", '"')):
        return value
    try:
        parsed = parse(value)
    except ValueError:
        return value
    if name == "prompt" and not (
        parsed and all(isinstance(one, dict) and "role" in one and "content" in one for one in parsed)
    ):
        return value
    return parsed


def _escaped(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        pass
    else:
        if SURROGATE_MARK not in value:
            return value
    return SURROGATE_MARK + json.dumps(value)


def _unescaped(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(SURROGATE_MARK):
        return parse(value[1:])
    return value
