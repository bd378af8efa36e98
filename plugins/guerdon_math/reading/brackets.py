"""Needless brackets around an answer, peeled off in linear time: ((((7)))) is 7 however deep it lies."""

import re

from guerdon_math.limits import MAX_CHARS

_RUN = re.compile(r"[({]+")
_OPENER = re.compile(r"(?:\\left\s*|\\[bB]igg?l?\s*)?([({])\s*")
_LONGEST_BRACED = 1_000
_BRACE = re.compile(r"\\.|[{}]", re.S)
_CLOSER_OF = {"(": ")", "{": "}"}
_MIRRORED = str.maketrans(")}", "({")


def peeled(text: str) -> str:
    """The text without needless outer brackets; one pair stays, in case it is a tuple's own."""
    pairs = _plain_pairs(text) or _pairs(text)
    if len(pairs) < 2:
        return text
    # keep as many pairs as the content closes without having opened them, and one for a tuple's sake
    start, end = pairs[-1]
    if end - start > MAX_CHARS:
        return text
    depth = lowest = 0
    for c in text[start:end]:
        if c in "({":
            depth += 1
        elif c in ")}":
            depth -= 1
            lowest = min(lowest, depth)
    keep = max(1, -lowest)
    if depth or keep >= len(pairs):
        return text
    start, end = pairs[-1 - keep]
    return text[start:end]


def _plain_pairs(text: str) -> list[tuple[int, int]]:
    """Long runs of bare brackets, a million of them included."""
    lead = _RUN.match(text)
    if lead is None or lead.end() < 8:
        return []
    tail_start = len(text.rstrip(")}"))
    if text[tail_start - 1 : tail_start] == "\\":
        tail_start += 1  # \} closes a set
    mirrored = text[tail_start:][::-1].translate(_MIRRORED)
    count = min(lead.end(), len(mirrored))
    if lead[0][:count] != mirrored[:count]:
        count = next(i for i in range(count) if lead[0][i] != mirrored[i])
    return [(k, len(text) - k) for k in range(max(1, count - MAX_CHARS), count + 1)]


def _pairs(text: str) -> list[tuple[int, int]]:
    """Where the content of each pair of outer brackets starts and ends, from the outside in."""
    at, end = 0, len(text)
    pairs: list[tuple[int, int]] = []
    while (m := _OPENER.match(text, at)) is not None:
        at = m.end()
        while end and text[end - 1].isspace():
            end -= 1
        if end <= at or text[end - 1] != _CLOSER_OF[m[1]] or text[end - 2 : end - 1] == "\\":
            break
        end -= 1
        if text.endswith("\\right", 0, end):
            end -= 6
        pairs.append((at, end))
    return pairs


def unbraced(text: str) -> str | None:
    """What a single pair of braces holds, `{4 \\text{ or } 5}`; `None` if they are no such pair."""
    text = text.strip()
    if len(text) > _LONGEST_BRACED or not (text.startswith("{") and text.endswith("}")):
        return None
    if text[1:].lstrip().startswith("{"):
        return None
    depth = 0
    for m in _BRACE.finditer(text):
        depth += {"{": 1, "}": -1}.get(m[0], 0)
        if not depth:
            return text[1:-1] if m.end() == len(text) else None
    return None
