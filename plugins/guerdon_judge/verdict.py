"""What a judge replied, as marks; and the ways in which a reply is none.

A verdict is one JSON object that holds the canary of its request. Nothing else in a reply is one, whatever it looks
like: a judge may quote what it judges, and that never held the canary.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REFUSAL, UNPARSEABLE, OUT_OF_RANGE, TOO_LONG, NOT_TAKEN = (
    "refusal",
    "unparseable",
    "out of range",
    "too long",
    "request not taken",
)
LONGEST_REPLY = 100_000
"""Characters. A verdict has a few hundred."""
MOST_OBJECTS = 200
"""Beginnings of an object that are tried in one text."""
LONGEST_REASON = 1000


class Unusable(Exception):
    """A reply that is no verdict. `kind` is one of the constants above."""

    def __init__(self, kind: str, what: str) -> None:
        super().__init__(f"{kind}: {what}")
        self.kind, self.what = kind, what


@dataclass(frozen=True)
class Mark:
    """One mark, and why."""

    mark: float
    reason: str


def schema_of(names: Sequence[str], highest: int) -> dict[str, Any]:
    """The JSON schema of a verdict.

    The canary is free text in it: a server that was made to write the right one would prove nothing. And so the schema
    is the same for every request, and is compiled once.
    """
    mark = _object(reason={"type": "string"}, mark={"type": "integer", "minimum": 0, "maximum": highest})
    return _object(canary={"type": "string"}, marks=_object(**dict.fromkeys(names, mark)))


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def verdict_of(content: str, canary: str, names: Sequence[str], highest: int) -> dict[str, Mark]:
    """The marks of these names, each from 0 to `highest`. Raises Unusable."""
    if len(content) > LONGEST_REPLY:
        raise Unusable(TOO_LONG, f"a reply of {len(content)} characters")
    whole = _read(content.strip())
    # thinking may hold drafts of a verdict
    found = [whole] if isinstance(whole, dict) else list(objects_in(content.rpartition("</think>")[2]))
    sealed = [one for one in found if isinstance(one.get("canary"), str) and one["canary"].strip() == canary]
    if not sealed:
        raise Unusable(UNPARSEABLE, "without the canary" if found else f"no JSON object: {_beginning(content)}")
    if any(one != sealed[0] for one in sealed):
        raise Unusable(UNPARSEABLE, "two verdicts that differ")
    marks = sealed[0].get("marks")
    if not isinstance(marks, dict):
        raise Unusable(UNPARSEABLE, "without `marks`")
    return {name: _mark(name, marks.get(name), highest) for name in names}


def _mark(name: str, given: Any, highest: int) -> Mark:
    given = given if isinstance(given, dict) else {"mark": given}
    mark, reason = given.get("mark"), given.get("reason")
    if isinstance(mark, bool) or not isinstance(mark, int | float):
        raise Unusable(UNPARSEABLE, f"its mark for {name} is no number")
    if not 0 <= mark <= highest:
        raise Unusable(OUT_OF_RANGE, f"its mark for {name} is not within 0 to {highest}")
    return Mark(float(mark), reason[:LONGEST_REASON] if isinstance(reason, str) else "")


def objects_in(text: str) -> Iterator[Mapping[str, Any]]:
    """The JSON objects in a text, but for those inside of others."""
    place = -1
    for _ in range(MOST_OBJECTS):
        place = text.find("{", place + 1)
        if place < 0:
            return
        try:
            found, end = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            continue
        yield found
        place = end - 1


def _read(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key that is there twice")
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number")


_DECODER = json.JSONDecoder(object_pairs_hook=_once_each, parse_constant=_no_number)


def _beginning(content: str) -> str:
    line = " ".join(content[:400].split())
    return repr(line if len(line) <= 80 else line[:80] + "…")
