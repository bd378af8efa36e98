"""JSON values, from text and from whatever a file format makes of them."""

import base64
import datetime
import json
from collections.abc import Mapping
from typing import Any

DEEPEST = 200
"""Levels of nesting. What is deeper meets a recursion limit somewhere between here and a worker, so it stops here."""


def parse(text: str) -> Any:
    """The value of a JSON text; NaN, lone surrogates and control characters in strings are let through.

    Raises ValueError that says in words, and for a syntax error with its column, what is wrong.
    """
    try:
        value = json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        # One line in a message, also where the text has many.
        place = f"column {error.colno}" if error.lineno == 1 else f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"{error.msg} ({place})") from None
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep") from None
    if text.count("[") + text.count("{") > DEEPEST and _depth(value) > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep")
    return value


def plain(value: Any) -> Any:
    """A value of Arrow's or NumPy's as a JSON value.

    Dates and times become ISO 8601 text, durations seconds, decimals text (a float would not be exact), bytes text
    if they are UTF-8 and base64 if not, arrays lists; anything else its `str`.
    """
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(one) for one in value]
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return _text(value)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(value).decode("ascii")


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
    return depth
