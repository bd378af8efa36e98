"""Find the final answer: the last complete \\boxed{} of a text, or the last few that form a list."""

import re
from dataclasses import dataclass

_OPENING = re.compile(r"\\f?boxed(?![A-Za-z])\s*(\{)?|\\fbox\s*(\{)?")
_BARE = re.compile(r"\\boxed\s*([-+]?\d+(?:\.\d+)?|[A-Za-z](?![A-Za-z])|\\text\{[^{}]{0,80}\})")
_BRACE = re.compile(r"\\.|[{}]", re.S)
_BETWEEN = re.compile(r"\\[,:;!()\[\] ]|\\quad|\\text|[\s${}]")
_AND = re.compile(r"(?:[,;、，]|and|also|和|及|以及|与)+")
_OR = re.compile(r"\bor\b|或")
_LAST = 64
"""How many boxes, from the end, are looked at."""


@dataclass(slots=True, frozen=True)
class Found:
    """The content of the final box, or why there is none."""

    content: str | None
    problem: str = ""


def last_boxed(text: str) -> Found:
    """The content of the last complete `\\boxed{}`, in time linear in the text.

    Neighbouring boxes joined by a comma, "and" or "or" are one answer, a list: `\\boxed{1} or \\boxed{2}` is "1 or 2",
    which is not 2. Of other boxes the last one counts.
    A last box that is never closed, or is empty, is no answer.
    """
    starts = [m for m in _OPENING.finditer(text) if m[1] or m[2] or _BARE.match(text, m.start())][-_LAST:]
    if not starts:
        return Found(None, "no \\boxed{} in the answer")
    boxes = _match(text, starts)
    if not boxes or boxes[-1][1] is None:
        return Found(None, "the last \\boxed{ is never closed")
    run, either = [boxes[-1]], False
    for box in reversed(boxes[:-1]):
        first = run[0][0]
        end = box[3]
        if box[1] is None or first - end > 40 or not (joint := _joint(text[end:first])):
            break
        either = either or joint == "or"
        run.insert(0, box)
    contents = list(dict.fromkeys(str(box[1]).strip() for box in run))
    if any(not content for content in contents[-1:]):
        return Found(None, "the last \\boxed{} is empty")
    contents = [content for content in contents if content]
    return Found((" or " if either else ", ").join(contents))


def _joint(between: str) -> str:
    """What joins two boxes to a list: "or", "and" (a comma too), or nothing."""
    if _OR.search(between):
        return "or"
    return "and" if _AND.fullmatch(_BETWEEN.sub("", between).lower()) else ""


_Box = tuple[int, str | None, int, int]
"""Where the command starts, the content (None: never closed), where the content starts, where the box ends."""


def _match(text: str, starts: list[re.Match[str]]) -> list[_Box]:
    """The outermost boxes in order; the braces are walked once, whatever is nested in what."""
    opening = {m.end() - 1: m.start() for m in starts if m[1] or m[2]}
    boxes: list[_Box] = []
    for m in starts:
        if not (m[1] or m[2]) and (bare := _BARE.match(text, m.start())):
            boxes.append((m.start(), bare[1], bare.start(1), bare.end()))
    if opening:
        stack: list[int] = []
        waiting = len(opening)
        for m in _BRACE.finditer(text, min(opening)):
            token = m[0]
            if token == "{":
                stack.append(m.start())
            elif token == "}" and stack:
                start = stack.pop()
                if start in opening:
                    boxes.append((opening.pop(start), text[start + 1 : m.start()], start + 1, m.end()))
                    waiting -= 1
                    if not waiting:
                        break
        boxes.extend((at, None, start + 1, len(text)) for start, at in opening.items())
    return _outermost(sorted(boxes, key=lambda box: box[0]))


def _outermost(boxes: list[_Box]) -> list[_Box]:
    """Without the boxes inside a complete box."""
    kept: list[_Box] = []
    end = -1
    for box in boxes:
        if box[0] >= end:
            kept.append(box)
            if box[1] is not None:
                end = box[3]
    return kept
