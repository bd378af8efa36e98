"""Plain values as bytes and back."""

import collections
import datetime
import decimal
import enum
import fractions
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon_code.inside.codec import DEEPEST, NAMED, Malformed, decode, encode

PLAIN = {
    *(type(None), bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, range, slice),
    *(collections.Counter, collections.OrderedDict, collections.deque, decimal.Decimal, fractions.Fraction),
    *(datetime.date, datetime.time, datetime.datetime, datetime.timedelta, datetime.timezone),
}

atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(10**400), max_value=10**400),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False),
    st.text(st.characters()),  # lone surrogates too
    st.binary(),
    st.binary().map(bytearray),
    st.decimals(allow_nan=False),
    st.fractions(),
    st.dates(),
    st.times(),
    st.datetimes(timezones=st.sampled_from([None, datetime.UTC])),
    st.timedeltas(),
    st.builds(range, st.integers(-9, 9), st.integers(), st.integers(1, 9)),
    st.sampled_from([int, ValueError, len, Ellipsis]),
)
hashable = st.recursive(
    atoms.filter(lambda value: not isinstance(value, bytearray)),
    lambda inner: st.one_of(st.tuples(inner, inner), st.frozensets(inner, max_size=4)),
    max_leaves=6,
)
values = st.recursive(
    st.one_of(atoms, hashable),
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.sets(hashable, max_size=5),
        st.dictionaries(hashable, inner, max_size=5),
        st.dictionaries(st.sampled_from(["o", "t", "d", "i", "", "B"]), inner),
        st.lists(inner).map(collections.deque),
        st.dictionaries(hashable, st.integers(), max_size=4).map(collections.Counter),
        st.dictionaries(hashable, inner, max_size=4).map(collections.OrderedDict),
    ),
    max_leaves=20,
)


def nothing_else(value: object) -> list[Any]:
    raise AssertionError(f"{value!r} is plain")


def there_and_back(value: object) -> Any:
    return decode(encode(value, nothing_else), nothing_else)


def alike(one: Any, other: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(alike(*pair) for pair in zip(one.items(), other.items(), strict=True))
    if isinstance(one, list | tuple | collections.deque):
        return len(one) == len(other) and all(alike(*pair) for pair in zip(one, other, strict=True))
    return bool(one == other)


@given(values)
@settings(max_examples=500, deadline=None)
def test_plain_values_arrive_as_they_are(value: object) -> None:
    assert alike(there_and_back(value), value)


@pytest.mark.parametrize(
    "value", [math.inf, -math.inf, -0.0, 5e-324, 2**63, -(2**63), 2**63 - 1, "\ud83d\ude00\ud800", "\x00"]
)
def test_the_edges_arrive_as_they_are(value: Any) -> None:
    back = there_and_back([value, {value: (value,)}])
    assert alike(back, [value, {value: (value,)}])
    assert str(back[0]) == str(value)


def test_nan_and_numbers_of_a_million_digits_arrive() -> None:
    assert math.isnan(there_and_back(math.nan))
    assert there_and_back(7**1_000_000) == 7**1_000_000


def test_two_surrogates_do_not_become_one_character() -> None:
    assert len(there_and_back("\ud83d" + "\ude00")) == 2


class Colour(enum.IntEnum):
    RED = 1


class Name(str):
    def __str__(self) -> str:
        return "somebody else"

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__


class Always(list[Any]):
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return True

    def __iter__(self) -> Any:
        return iter([14])


class Number(float):
    def __float__(self) -> float:
        return 14.0


class Mapping(dict[Any, Any]):
    def items(self) -> Any:
        return [(14, 14)]


def test_subclasses_arrive_as_what_they_extend() -> None:
    sent = [Colour.RED, Name("me"), Always([1]), Number(2.5), Mapping(a=1), collections.defaultdict(list, a=[1])]
    there = there_and_back(sent)
    assert [type(one) for one in there] == [int, str, list, float, dict, dict]
    assert there == [1, "me", [1], 2.5, {"a": 1}, {"a": [1]}]


def test_a_named_tuple_keeps_its_names() -> None:
    Point = collections.namedtuple("Point", "x y")
    there = there_and_back([Point(1, [2]), Point(3, 4)])
    assert there == [(1, [2]), (3, 4)]
    assert there[0].y == [2]
    assert type(there[0]) is type(there[1])


def test_what_is_deep_or_holds_itself_goes_as_a_handle() -> None:
    itself: list[Any] = []
    itself.append(itself)
    handles: list[object] = []

    def handle(value: object) -> list[Any]:
        handles.append(value)
        return [len(handles) - 1]

    encode(itself, handle)
    assert handles == [itself]
    deep: Any = 0
    for _ in range(DEEPEST):
        deep = ({1: [deep]},)
    encode(deep, handle)
    assert len(handles) == 2


def test_what_is_not_plain_goes_as_a_handle_wherever_it_is() -> None:
    one, other = object(), (lambda: 1)
    there = decode(
        encode({"a": [one, (other, 2)]}, lambda value: [id(value)]), lambda parts: {id(one): one}.get(parts[0], other)
    )
    assert there == {"a": [one, (other, 2)]}


def only_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return type(value) in PLAIN and all(only_plain(one) for pair in value.items() for one in pair)
    if isinstance(value, list | tuple | set | frozenset | collections.deque):
        named = isinstance(value, tuple) and hasattr(value, "_fields")
        return (named or type(value) in PLAIN) and all(map(only_plain, value))
    return type(value) in PLAIN or value == "handle" or any(value is one for one in NAMED.values())


def harmless(data: bytes) -> None:
    try:
        value = decode(data, lambda parts: "handle")
    except Malformed:
        return
    assert only_plain(value)


@given(st.binary())
def test_any_bytes_are_plain_values_or_malformed(data: bytes) -> None:
    harmless(data)


tagged = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(["__class__", "eval", "0x1"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                [
                    "o",
                    "i",
                    "t",
                    "d",
                    "s",
                    "f",
                    "b",
                    "y",
                    "c",
                    "r",
                    "sl",
                    "C",
                    "O",
                    "q",
                    "n",
                    "D",
                    "F",
                    "da",
                    "dt",
                    "ti",
                    "td",
                    "B",
                    "zz",
                ]
            ),
            st.one_of(inner, st.lists(inner, max_size=3)),
            max_size=2,
        ),
    ),
    max_leaves=12,
)


@given(tagged)
@settings(max_examples=1000, deadline=None)
def test_any_json_is_plain_values_or_malformed(value: Any) -> None:
    harmless(json.dumps(value).encode())


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"t":' * 100_000,
        b"9" * 100_000,
        b'{"a":1,"a":2}',
        b"{}",
        b'{"B":["eval"]}',
        b'{"B":["__import__"]}',
        b'{"n":["x",["__class__"],[1]]}',
        b'{"n":["x; import os",[],[]]}',
        b'{"q":[null,"text"]}',
        b'{"d":[[[1]],[1]]}',
        b'{"i":"0x' + b"f" * 10 + b'g"}',
        b'{"r":[1,2,0]}',
        b"\xff\xfe",
        b"",
    ],
    ids=lambda data: data[:20],
)
def test_hostile_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode(data, nothing_else)
