"""Conditions in English as the signs they stand for: all real numbers except 2, those congruent to 1 modulo 4."""

import re

_SIGNS = (
    (r"greater than or equal to|at least|no less than|not less than", r" \\ge "),
    (r"less than or equal to|at most|no more than|not more than|not greater than", r" \\le "),
    (r"greater than|larger than|more than", " > "),
    (r"less than|smaller than|fewer than", " < "),
    (r"except(?: for)?|excluding|other than|not equal to|different from", r" \\ne "),
    (r"congruent to", r" \\equiv "),
    (r"modulo", r" \\bmod "),
)
_PHRASES = [(re.compile(rf"(?i)(?:\b(?:is|are) )?\b(?:{words})(?![A-Za-z])"), sign) for words, sign in _SIGNS]
_SUBJECT = re.compile(
    r"(?i)(?:the set of )?(?:all|any|every|those|numbers)(?: (?:the )?real)?(?: numbers?| values| reals)?"
    r"(?: of(?= \}? ?x))?(?: (?:that|which) are| such that| with)?(?= )"
)
_WHOLE = re.compile(
    r"(?i)(?:all |those )?(?:positive |natural )?(?:integers|numbers)(?: (?:that|which) are)?(?= +\\equiv)"
)
_OPENING = re.compile(r"\s*(?:\\text(?:rm|normal)?\s*\{)?\s*")
_LONGEST = 200


def in_signs(text: str) -> str | None:
    """The text with phrases of comparison as signs; `None` if it holds none."""
    if len(text) > _LONGEST:
        return None
    spoken = " ".join(text.split())
    for pattern, sign in _PHRASES:
        spoken = pattern.sub(sign, spoken)
    if spoken == " ".join(text.split()):
        return None
    start = _OPENING.match(spoken)
    at = start.end() if start else 0
    for subject in (_WHOLE, _SUBJECT):
        if (found := subject.match(spoken, at)) is not None:
            return spoken[:at] + spoken[found.end() :]
    return spoken
