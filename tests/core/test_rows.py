import csv
import datetime
import gzip
import json
import math
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guerdon import DataError
from guerdon.parquet import read_parquet, write_parquet
from guerdon.rows import READERS, read_rows

Write = Callable[[str, bytes], Path]

TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates and NUL among them
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
VALUE = st.recursive(SCALAR, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4))
OBJECT = st.dictionaries(TEXT, VALUE, max_size=6)
RELAXED = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None, max_examples=100
)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    return list(read_rows(path))


def test_json_lines_come_with_their_line_numbers_and_blank_lines_count(write: Write) -> None:
    assert rows(write("a.jsonl", b'{"a": 1}\n\n  \n{"a": 2}')) == [(1, {"a": 1}), (4, {"a": 2})]


def test_a_byte_order_mark_and_windows_line_ends_survive(write: Write) -> None:
    assert rows(write("a.jsonl", b'\xef\xbb\xbf{"a": 1}\r\n{"a": 2}\r\n')) == [(1, {"a": 1}), (2, {"a": 2})]
    assert rows(write("a.csv", b"\xef\xbb\xbfa\r\n1\r\n")) == [(2, {"a": "1"})]


def test_lone_surrogates_nul_bytes_and_nan_survive(write: Write) -> None:
    [(_, row)] = rows(write("a.jsonl", b'{"a": "\\ud800", "b": "\\u0000\x00", "c": NaN}'))
    assert row["a"] == "\ud800"
    assert row["b"] == "\0\0"
    assert math.isnan(row["c"])


def test_a_line_of_a_megabyte_survives(write: Write) -> None:
    long = "x" * (1 << 20)
    assert rows(write("a.jsonl", json.dumps({"a": long}).encode())) == [(1, {"a": long})]
    assert rows(write("a.csv", f"a,b\n{long},1\n".encode())) == [(2, {"a": long, "b": "1"})]


def test_gzip_is_read_by_its_suffix(write: Write) -> None:
    assert rows(write("a.jsonl.gz", gzip.compress(b'{"a": 1}\n'))) == [(1, {"a": 1})]


def test_json_is_one_list_or_lines(write: Write) -> None:
    assert rows(write("a.json", b'\n[{"a": 1},\n {"a": 2}]')) == [(1, {"a": 1}), (2, {"a": 2})]
    assert rows(write("b.json", b'{"a": 1}\n{"a": 2}')) == [(1, {"a": 1}), (2, {"a": 2})]


def test_csv_cells_are_text_and_may_hold_lines(write: Write) -> None:
    path = write("a.csv", b'prompt,gold\n"one\ntwo, three",007\n\nx,\n')
    assert rows(path) == [(2, {"prompt": "one\ntwo, three", "gold": "007"}), (5, {"prompt": "x", "gold": ""})]


@pytest.mark.parametrize(
    ("name", "data", "where", "what"),
    [
        ("a.jsonl", b"", "a.jsonl", "is empty"),
        ("a.jsonl", b"\n \n", "a.jsonl", "holds no rows"),
        ("a.csv", b"a,b\n", "a.csv", "holds no rows"),
        ("a.json", b"[]", "a.json", "holds no rows"),
        ("a.jsonl", b'{"a": 1}\n{"a": \xff}', "a.jsonl:2", "is not UTF-8 (byte 7 of the line)"),
        ("a.jsonl", '{"a": 1}'.encode("utf-16"), "a.jsonl:1", "is not UTF-8"),
        ("a.jsonl", b'{"a": 1}\n{"a": 1', "a.jsonl:2", "is no JSON: Expecting ',' delimiter (column 8)"),
        ("a.jsonl", b"[1]", "a.jsonl:1", "is a list, not an object"),
        ("a.jsonl", b"null", "a.jsonl:1", "is null, not an object"),
        ("a.jsonl", b'"a"', "a.jsonl:1", "is a string, not an object"),
        ("a.jsonl", b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "a.jsonl:1", "nested more than 200 levels"),
        ("a.jsonl", b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}", "a.jsonl:1", "nested more than 200 levels"),
        ("a.jsonl", b'{"a": ' + b"1" * 5000 + b"}", "a.jsonl:1", "is no JSON: Exceeds the limit"),
        ("a.json", b'[{"a": 1},\n{"a": 1', "a.json", "is no JSON: Expecting ',' delimiter (line 2, column 8)"),
        ("a.json", b'[{"a": 1}, 3]', "a.json:2", "is a number, not an object"),
        ("a.csv", b"a,b\n1,2\n1\n", "a.csv:3", "has 1 cells where the header has 2"),
        ("a.csv", b'a,b\n"1"2,3\n', "a.csv:2", "is no CSV"),
        ("a.csv", b"a,a\n1,2\n", "a.csv:1", "names a column twice"),
        ("a.jsonl.gz", b'{"a": 1}', "a.jsonl.gz", "is no gzip file"),
        ("a.parquet", b"hello", "a.parquet", "is not a Parquet file"),
        ("a.parquet", b"PAR1" + b"x" * 50 + b"PAR1", "a.parquet", "is not a Parquet file"),
        ("a.txt", b"hello", "a.txt", "has no suffix that says what it is"),
    ],
)
def test_every_mistake_has_its_place_and_a_way_out(write: Write, name: str, data: bytes, where: str, what: str) -> None:
    with pytest.raises(DataError) as caught:
        rows(write(name, data))
    assert caught.value.where.endswith(where)
    assert what in caught.value.what
    assert caught.value.way_out


def test_a_file_that_is_not_there_or_is_a_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"gone\.jsonl: does not exist"):
        rows(tmp_path / "gone.jsonl")
    with pytest.raises(DataError, match="is a directory"):
        rows(tmp_path)


def test_a_truncated_gzip_gives_the_lines_that_are_whole_and_says_where_it_breaks_off(write: Write) -> None:
    path = write("a.jsonl.gz", gzip.compress(b'{"a": 1}\n' * 10)[:-6])
    seen = []
    with pytest.raises(DataError, match="breaks off after line 10"):
        seen.extend(row for _, row in read_rows(path))


def test_bad_lines_are_skipped_only_on_request(write: Write) -> None:
    path = write("a.jsonl", b'{"a": 1}\nnonsense\n{"a": "\xff"}\n[]\n{"a": 2}\n')
    bad: list[DataError] = []
    assert list(read_rows(path, bad.append)) == [(1, {"a": 1}), (5, {"a": 2})]
    assert [error.where.rpartition(":")[2] for error in bad] == ["2", "3", "4"]
    with pytest.raises(DataError, match=":2: is no JSON"):
        rows(path)


def test_a_bad_csv_row_is_skipped_and_the_next_is_read(write: Write) -> None:
    bad: list[DataError] = []
    path = write("a.csv", b'a,b\n1,2\n1,2,3\n"1"x,2\n3,4\n')
    assert list(read_rows(path, bad.append)) == [(2, {"a": "1", "b": "2"}), (5, {"a": "3", "b": "4"})]
    assert len(bad) == 2


def test_a_file_of_bad_lines_only_is_not_called_empty(write: Write) -> None:
    bad: list[DataError] = []
    assert list(read_rows(write("a.jsonl", b"x\ny\n"), bad.append)) == []
    assert len(bad) == 2


def test_reading_streams(write: Write) -> None:
    path = write("a.jsonl", b'{"a": 1}\n' * 100_000 + b"nonsense")
    assert next(read_rows(path)) == (1, {"a": 1})


@RELAXED
@given(st.lists(OBJECT, min_size=1, max_size=4))
def test_any_objects_survive_json_lines(tmp_path: Path, objects: list[dict[str, Any]]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in objects))
    assert [row for _, row in read_rows(path)] == objects


@RELAXED
@given(st.lists(OBJECT, min_size=1, max_size=4))
def test_any_objects_survive_our_parquet(tmp_path: Path, objects: list[dict[str, Any]]) -> None:
    names = dict.fromkeys(name for one in objects for name in one)
    path = tmp_path / "a.parquet"
    write_parquet(path, objects)
    expected = [{name: one.get(name) for name in names} for one in objects] if names else []
    assert [row for _, row in read_parquet(path)] == expected


@RELAXED
@given(TEXT, VALUE, st.dictionaries(TEXT, VALUE, max_size=3))
def test_any_task_survives_our_parquet(tmp_path: Path, prompt: str, truth: Any, metadata: dict[str, Any]) -> None:
    row = {"prompt": prompt, "completion": prompt, "ground_truth": truth, "metadata": metadata, "terms": {}}
    path = tmp_path / "a.parquet"
    write_parquet(path, [row])
    assert rows(path) == [(1, row)]


def test_in_our_parquet_the_columns_that_can_be_plain_are(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, [{"score": 1, "completion": "a", "ok": True}, {"score": 0.5, "completion": "b", "ok": None}])
    assert [str(kind) for kind in pq.read_table(path).schema.types] == ["double", "string", "bool"]


@settings(RELAXED, max_examples=200)
@given(st.sampled_from(sorted(READERS)), st.binary(max_size=200), st.booleans())
def test_random_bytes_raise_nothing_but_data_errors(tmp_path: Path, suffix: str, data: bytes, wrapped: bool) -> None:
    if wrapped and suffix.endswith(".gz"):
        data = gzip.compress(data)
    if wrapped and suffix == ".parquet":
        data = b"PAR1" + data + len(data).to_bytes(4, "little") + b"PAR1"
    path = tmp_path / f"a{suffix}"
    path.write_bytes(data)
    bad: list[DataError] = []
    with suppress(DataError):
        for number, row in read_rows(path, bad.append):
            assert number > 0
            assert isinstance(row, dict)


@settings(RELAXED, max_examples=200)
@given(st.data())
def test_a_damaged_parquet_file_raises_nothing_but_data_errors(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(
        path, [{"prompt": f"question {n}", "completion": "é" * n, "truncated": n % 2 == 0} for n in range(20)]
    )
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole)
    with suppress(DataError):
        list(read_rows(path, lambda _: None))


def test_in_parquet_of_others_only_unmistakable_json_is_decoded(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "hi"}]
    columns = {
        "prompt": [json.dumps(messages), "[1, 2] is a list", "[1, 2]", "plain"],
        "ground_truth": ['"x"', '{"a": 1}', "42", '"x" and more'],
        "note": ['"x"', "{}", "[]", "1"],
    }
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns), path)
    read = [row for _, row in read_rows(path)]
    assert [row["prompt"] for row in read] == [messages, "[1, 2] is a list", "[1, 2]", "plain"]
    assert [row["ground_truth"] for row in read] == ["x", {"a": 1}, "42", '"x" and more']
    assert [row["note"] for row in read] == ['"x"', "{}", "[]", "1"]


def test_what_parquet_has_and_json_has_not_becomes_json(tmp_path: Path) -> None:
    table = pa.table(
        {
            "when": pa.array([datetime.datetime(2025, 1, 2, 3, 4, 5)]),
            "day": pa.array([datetime.date(2025, 1, 2)]),
            "long": pa.array([datetime.timedelta(seconds=90)]),
            "exact": pa.array([Decimal("12.50")]),
            "text": pa.array(["é".encode()], pa.binary()),
            "bytes": pa.array([b"\xff\x00"], pa.binary()),
            "half": pa.array([1.5], pa.float32()).cast(pa.float16()),
            "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
            "struct": pa.array([{"day": datetime.date(2025, 1, 2), "list": [1, 2]}]),
            "category": pa.array(["x"]).dictionary_encode(),
        }
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    [(_, row)] = rows(path)
    assert json.loads(json.dumps(row)) == row
    assert row == {
        "when": "2025-01-02T03:04:05",
        "day": "2025-01-02",
        "long": 90.0,
        "exact": "12.50",
        "text": "é",
        "bytes": "/wA=",
        "half": 1.5,
        "map": {"a": 1},
        "struct": {"day": "2025-01-02", "list": [1, 2]},
        "category": "x",
    }


def test_a_parquet_row_that_is_not_utf8_is_the_only_one_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    broken = pa.array([b"a", b"\xff", b"c"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"a": broken}), path)
    bad: list[DataError] = []
    assert list(read_rows(path, bad.append)) == [(1, {"a": "a"}), (3, {"a": "c"})]
    assert bad[0].where == f"{path}:2"


def test_an_interrupted_write_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_parquet(tmp_path / "a.parquet", [{"a": object()}])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(DataError, match="cannot be written"):
        write_parquet(tmp_path / "no" / "a.parquet", [{"a": 1}])


def test_reading_csv_leaves_the_modules_own_limit_high_enough(write: Write) -> None:
    rows(write("a.csv", b"a\n1\n"))
    assert csv.field_size_limit() >= 1 << 20
