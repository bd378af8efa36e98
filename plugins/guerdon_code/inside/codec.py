"""Plain values as bytes and back: exact types only, nothing that could be code.

JSON, in which an array is a list, and an object with one key, a tag, is everything else. What is not plain goes as a
handle, whose JSON the side that owns it makes and the other side understands. A subclass of a plain type goes as that
type, as its own methods see it.
"""

import builtins
import collections
import datetime
import decimal
import fractions
import json
from collections.abc import Callable
from typing import Any

DEEPEST = 150
"""Containers within containers. What is deeper, or holds itself, goes as a handle."""
_WORD = 1 << 63

NAMED = {
    name: value
    for name, value in vars(builtins).items()
    if isinstance(value, type)
    or name
    in ("abs", "all", "any", "chr", "divmod", "len", "max", "min", "ord", "pow", "repr", "round", "sorted", "sum")
    or value in (Ellipsis, NotImplemented)
}
"""Builtins that go by name. None of them runs code that it is given as text."""
_NAMES = {id(value): name for name, value in NAMED.items()}

Handle = Callable[[object], list[Any]]
Owner = Callable[[list[Any]], object]


class Malformed(Exception):
    """Bytes that no encoder of ours has made."""


def encode(value: object, handle: Handle) -> bytes:
    """The bytes of a value; `handle` makes the JSON of what is not plain."""
    text = _ENCODER.encode(_Encoding(handle).json(value, 0))
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes, owner: Owner) -> Any:
    """The value of bytes; `owner` makes what a handle stands for. Raises Malformed whatever is wrong with them."""
    decoding = _Decoding(owner)
    try:
        return json.loads(str(data, "utf-8", "surrogatepass"), object_pairs_hook=decoding.tagged)
    except Malformed:
        raise
    except Exception as error:  # recursion, memory, unhashable keys, numbers that are none: whoever sent it did it
        raise Malformed(f"{type(error).__name__}: {error}"[:200]) from None


_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))
_ATOMS = frozenset({type(None), bool, str, float})
_NUMBERS = _ATOMS | {int}


class _Encoding:
    def __init__(self, handle: Handle) -> None:
        self.handle = handle

    def json(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in _ATOMS:
            return value
        if kind is int:
            return value if -_WORD < value < _WORD else {"i": hex(value)}
        if depth > DEEPEST:
            return {"o": self.handle(value)}
        if kind is list:
            return self.items(value, depth)
        if kind in _TAGS:
            tag, parts = _TAGS[kind]
            return {tag: self.items(parts(value), depth)}
        if id(value) in _NAMES:
            return {"B": [_NAMES[id(value)]]}
        base = _base(value)
        return {"o": self.handle(value)} if base is value else self.json(base, depth)

    def items(self, values: list[Any], depth: int) -> list[Any]:
        kinds = set(map(type, values))
        if kinds <= _ATOMS:
            return values
        if kinds <= _NUMBERS and all(-_WORD < value < _WORD for value in values if type(value) is int):
            return values
        return [self.json(value, depth + 1) for value in values]


def _base(value: Any) -> Any:
    """A subclass's instance as the plain type that it extends; anything else as it is."""
    if isinstance(value, tuple) and _is_namedtuple(type(value)):
        return _Named(value)
    for kind, plain in _BASES:
        if isinstance(value, kind) and type(value) is not kind:
            return plain(value)
    return value


class _Named:
    """A named tuple on its way: the name of its type, of its fields, and what is in them."""

    def __init__(self, value: Any) -> None:
        kind = type(value)
        self.parts = [kind.__name__, [*kind._fields], list(tuple.__iter__(value))]


def _is_namedtuple(kind: Any) -> bool:
    fields = getattr(kind, "_fields", None)
    return type(fields) is tuple and all(type(field) is str for field in fields)


_BASES: list[tuple[type, Callable[[Any], Any]]] = [
    (int, int.__int__),
    (float, float.__float__),
    (str, str.__str__),
    (complex, lambda value: complex(complex.real.__get__(value), complex.imag.__get__(value))),
    (bytes, lambda value: bytes(memoryview(value))),
    (bytearray, lambda value: bytearray(memoryview(value))),
    (list, lambda value: list.__getitem__(value, slice(None))),
    (tuple, lambda value: tuple.__getitem__(value, slice(None))),
    (collections.Counter, lambda value: _filled(collections.Counter(), value)),
    (collections.OrderedDict, lambda value: collections.OrderedDict(dict.items(value))),
    (dict, lambda value: dict(dict.items(value))),
    (set, lambda value: set(set.__iter__(value))),
    (frozenset, lambda value: frozenset(frozenset.__iter__(value))),
    (collections.deque, lambda value: collections.deque(collections.deque.__iter__(value), value.maxlen)),
    (decimal.Decimal, lambda value: decimal.Decimal(decimal.Decimal.__str__(value))),
    (fractions.Fraction, lambda value: fractions.Fraction(value.numerator, value.denominator)),
]


def _filled(counter: dict[Any, Any], value: Any) -> dict[Any, Any]:
    dict.update(counter, dict.items(value))
    return counter


def _pairs(value: dict[Any, Any]) -> list[Any]:
    return [list(value), list(value.values())]


# The exact types that have a tag, and the list of parts that stands behind it.
_TAGS: dict[type, tuple[str, Callable[[Any], list[Any]]]] = {
    tuple: ("t", list),
    dict: ("d", _pairs),
    set: ("s", list),
    frozenset: ("f", list),
    bytes: ("b", lambda value: [value.hex()]),
    bytearray: ("y", lambda value: [value.hex()]),
    complex: ("c", lambda value: [value.real, value.imag]),
    range: ("r", lambda value: [value.start, value.stop, value.step]),
    slice: ("sl", lambda value: [value.start, value.stop, value.step]),
    collections.Counter: ("C", _pairs),
    collections.OrderedDict: ("O", _pairs),
    collections.deque: ("q", lambda value: [value.maxlen, list(value)]),
    _Named: ("n", lambda value: value.parts),
    decimal.Decimal: ("D", lambda value: [str(value)]),
    fractions.Fraction: ("F", lambda value: [value.numerator, value.denominator]),
    datetime.date: ("da", lambda value: [value.isoformat()]),
    datetime.timedelta: ("td", lambda value: [value.days, value.seconds, value.microseconds]),
    type({}.keys()): ("dk", list),
    type({}.values()): ("dv", list),
    type({}.items()): ("di", lambda value: _pairs(dict(value))),
}


class _Decoding:
    def __init__(self, owner: Owner) -> None:
        self.owner = owner

    def tagged(self, pairs: list[tuple[str, Any]]) -> Any:
        ((tag, parts),) = pairs
        if tag == "o":
            if type(parts) is not list:
                raise Malformed("a handle without parts")
            return self.owner(parts)
        if tag == "i":
            return int(_text(parts), 16)
        if type(parts) is not list:
            raise Malformed(f"the tag {tag!r} without parts")
        return _MAKERS[tag](*parts) if tag in _SPREAD else _MAKERS[tag](parts)


def _text(value: object) -> str:
    if type(value) is not str:
        raise Malformed(f"a {type(value).__name__} where there should be text")
    return value


def _whole(*values: Any) -> tuple[Any, ...]:
    if any(type(value) is not int for value in values):
        raise Malformed("something else where there should be a whole number")
    return values


def _dict(keys: list[Any], values: list[Any]) -> dict[Any, Any]:
    return dict(zip(_list(keys), _list(values), strict=True))


def _list(values: Any) -> list[Any]:
    # What a handle stands for could be iterated too, over there.
    if type(values) is not list:
        raise Malformed("something else where there should be a list")
    return values


def _named(name: str, fields: list[str], values: list[Any]) -> tuple[Any, ...]:
    kind = _KINDS.get((name, *fields))
    if kind is None:
        if len(_KINDS) > 100 or len(_list(fields)) > 100 or not all(type(field) is str for field in (name, *fields)):
            raise Malformed("more named tuples than anybody needs")
        kind = _KINDS[name, *fields] = collections.namedtuple(name, fields)
    made: tuple[Any, ...] = kind(*_list(values))
    return made


def _complex(real: float, imag: float) -> complex:
    if type(real) is not float or type(imag) is not float:
        raise Malformed("a complex number of something else")
    return complex(real, imag)


_KINDS: dict[tuple[str, ...], Any] = {}
_SPREAD = frozenset({"d", "b", "y", "c", "r", "sl", "C", "O", "q", "n", "D", "F", "da", "td", "di", "B"})
_MAKERS: dict[str, Callable[..., Any]] = {
    "t": tuple,
    "d": _dict,
    "s": set,
    "f": frozenset,
    "b": bytes.fromhex,
    "y": bytearray.fromhex,
    "c": _complex,
    "r": lambda *parts: range(*_whole(*parts)),
    "sl": slice,
    "C": lambda keys, values: _filled(collections.Counter(), _dict(keys, values)),
    "O": lambda keys, values: collections.OrderedDict(_dict(keys, values)),
    "q": lambda most, values: collections.deque(_list(values), most),
    "n": _named,
    "D": lambda text: decimal.Decimal(_text(text)),
    "F": lambda *parts: fractions.Fraction(*_whole(*parts)),
    "da": datetime.date.fromisoformat,
    "td": lambda *parts: datetime.timedelta(*_whole(*parts)),
    "dk": lambda keys: dict.fromkeys(keys).keys(),
    "dv": lambda values: dict(enumerate(values)).values(),
    "di": lambda keys, values: _dict(keys, values).items(),
    "B": lambda name: NAMED[name],
}
for _kind, _tag in ((datetime.datetime, "dt"), (datetime.time, "ti")):
    _TAGS[_kind] = (_tag, lambda value: [value.isoformat()])
    _MAKERS[_tag] = _kind.fromisoformat
    _SPREAD |= {_tag}
