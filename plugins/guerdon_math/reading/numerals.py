"""Numbers in words: Chinese numerals and English number words."""

import re
from fractions import Fraction

_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "○": 0}
_DIGITS |= {c: i for i, c in enumerate("壹贰叁肆伍陆柒捌玖", 1)}
_TENS = {"十": 10, "百": 100, "千": 1000, "拾": 10, "佰": 100, "仟": 1000}
_MYRIADS = {"万": 10**4, "亿": 10**8, "萬": 10**4, "億": 10**8}
HAN_NUMERAL = re.compile(f"[负]?[{''.join([*_DIGITS, *_TENS, *_MYRIADS])}点分之百]+")
_MAX_RUN = 40

_SMALL = {
    word: i
    for i, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_ROUND = {
    word: 10 * i
    for i, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
SCALES = _SCALES | {"dozen": 12, "万": 10**4, "亿": 10**8}


def from_han(text: str) -> Fraction | None:
    """四十二 is 42, 三分之二 is 2/3, 百分之五十 is 1/2, 三点一四 is 3.14; `None` if the text is no numeral."""
    if len(text) > _MAX_RUN:
        return None
    if text.startswith("负"):
        value = from_han(text[1:])
        return None if value is None else -value
    if "分之" in text:
        below, _, above = text.partition("分之")
        top, bottom = from_han(above), from_han(below)
        return None if top is None or not bottom else top / bottom
    whole, point, rest = text.partition("点")
    value = _han_integer(whole)
    if value is None or not point:
        return value
    if not rest or not all(c in _DIGITS for c in rest):
        return None
    return value + Fraction(int("".join(str(_DIGITS[c]) for c in rest)), 10 ** len(rest))


def _han_integer(text: str) -> Fraction | None:
    if not text:
        return None
    if all(c in _DIGITS for c in text):
        return Fraction(int("".join(str(_DIGITS[c]) for c in text)))
    total = section = 0
    digit: int | None = None
    for c in text:
        if c in _DIGITS:
            if digit:
                return None
            digit = _DIGITS[c]
        elif c in _TENS:
            section += (1 if digit is None else digit) * _TENS[c]
            digit = None
        elif c in _MYRIADS:
            total = (total + section + (digit or 0)) * _MYRIADS[c]
            section, digit = 0, None
        else:
            return None
    return Fraction(total + section + (digit or 0))


PARTS = {
    "half": 2,
    "halves": 2,
    "third": 3,
    "quarter": 4,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "eighth": 8,
    "tenth": 10,
}
PARTS |= {f"{name}s": size for name, size in PARTS.items() if size > 2}


def from_english(words: list[str]) -> tuple[Fraction, int] | None:
    """The number that a list of words begins with, and how many words it takes: forty two, one hundred and five."""
    if words and words[0].lower() == "half":
        return Fraction(1, 2), 1
    total = section = used = 0
    last = 10**15
    for at, word in enumerate(words):
        parts = word.lower().split("-")
        if parts == ["and"] and used and at + 1 < len(words):
            continue
        for part in parts:
            if part in _SMALL and last > 19:
                section, last = section + _SMALL[part], _SMALL[part]
            elif part in _ROUND and last > 99:
                section, last = section + _ROUND[part], _ROUND[part]
            elif part == "hundred" and used:
                section, last = section * 100, 100
            elif part in _SCALES and used:
                total, section, last = total + section * _SCALES[part], 0, 10**15
            elif part in PARTS and (used or part != parts[0]):
                return Fraction(total + section, PARTS[part]), at + 1
            else:
                return (Fraction(total + section), used) if used else None
        used = at + 1
    return (Fraction(total + section), used) if used else None
