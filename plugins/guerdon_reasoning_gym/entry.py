"""A reasoning-gym entry as a task's ground truth, and back: exactly the same, though it travels as JSON.

JSON has no tuples, no fractions and no keys that are not text, and some scorers tell the difference (ARC boards are
compared as tuples). So they travel as `{"tuple": [...]}`, `{"fraction": "1/2"}` and `{"dict": [[key, value], ...]}`.
"""

from fractions import Fraction
from typing import Any

from typing_extensions import TypedDict

TUPLE, DICT, FRACTION = "tuple", "dict", "fraction"


class Entry(TypedDict):
    """What the reward takes as ground truth: an entry, the dataset that it came from and that dataset's options."""

    dataset: str
    config: dict[str, Any]
    question: str
    answer: str | None
    metadata: dict[str, Any]


def to_json(value: Any) -> Any:
    """A value of an entry as a JSON value."""
    if isinstance(value, tuple):
        return {TUPLE: [to_json(one) for one in value]}
    if isinstance(value, Fraction):
        return {FRACTION: str(value)}
    if isinstance(value, list):
        return [to_json(one) for one in value]
    if not isinstance(value, dict):
        return value
    if all(isinstance(key, str) for key in value) and set(value) not in ({TUPLE}, {DICT}, {FRACTION}):
        return {key: to_json(one) for key, one in value.items()}
    return {DICT: [[to_json(key), to_json(one)] for key, one in value.items()]}


def from_json(value: Any) -> Any:
    """The value that `to_json` was given."""
    if isinstance(value, list):
        return [from_json(one) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {TUPLE}:
        return tuple(from_json(one) for one in value[TUPLE])
    if set(value) == {FRACTION}:
        return Fraction(value[FRACTION])
    if set(value) == {DICT}:
        return {from_json(key): from_json(one) for key, one in value[DICT]}
    return {key: from_json(one) for key, one in value.items()}
