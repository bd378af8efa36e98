"""From text to words, by Unicode script."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from guerdon_language.lexicon import word_list

SHARED = ("latin", "cyrillic", "arabic", "devanagari")
"""Scripts that several languages of the lexicon are written in."""

ONLY = {
    "greek": "el",
    "armenian": "hy",
    "hebrew": "he",
    "georgian": "ka",
    "hangul": "ko",
    "bengali": "bn",
    "gurmukhi": "pa",
    "gujarati": "gu",
    "oriya": "or",
    "tamil": "ta",
    "telugu": "te",
    "kannada": "kn",
    "malayalam": "ml",
    "sinhala": "si",
    "thai": "th",
    "lao": "lo",
    "tibetan": "bo",
    "myanmar": "my",
    "ethiopic": "am",
    "khmer": "km",
    "kana": "ja",
}
"""Scripts by which one language is known."""

UNSPACED = {"thai": 4, "lao": 4, "khmer": 5, "myanmar": 5, "tibetan": 3}
"""Scripts without spaces between words, and how many characters make a word on average."""

_LETTERS = {
    "latin": "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u0300-\u036f\u1e00-\u1eff\u2c60-\u2c7f\ua720-\ua7ff"
    "\ufb00-\ufb06\uff21-\uff3a\uff41-\uff5a\U0001d400-\U0001d6a5",
    "han": "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff",
    "kana": "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f",
    "hangul": "\u1100-\u11ff\u3131-\u318e\ua960-\ua97c\uac00-\ud7fb",
    "cyrillic": "\u0400-\u052f\u1c80-\u1c8f\ua640-\ua69f",
    "greek": "\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u03ff\u1f00-\u1fff",
    "arabic": "\u0610-\u061a\u0620-\u065f\u066e-\u06d3\u06d5-\u06dc\u06df-\u06e8\u06ea-\u06ef\u06fa-\u06ff\u0750-\u077f"
    "\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc",
    "devanagari": "\u0900-\u0963\u0971-\u097f\ua8e0-\ua8ff",
    "hebrew": "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u05d0-\u05ea\u05ef-\u05f4\ufb1d-\ufb4f",
    "armenian": "\u0531-\u0556\u0559-\u0588",
    "georgian": "\u10a0-\u10ff\u1c90-\u1cbf\u2d00-\u2d2d",
    "bengali": "\u0980-\u09e3\u09f0\u09f1",
    "gurmukhi": "\u0a01-\u0a5e\u0a70-\u0a75",
    "gujarati": "\u0a81-\u0ae3",
    "oriya": "\u0b01-\u0b63\u0b71",
    "tamil": "\u0b82-\u0bd7",
    "telugu": "\u0c00-\u0c63",
    "kannada": "\u0c80-\u0ce3",
    "malayalam": "\u0d00-\u0d63",
    "sinhala": "\u0d81-\u0df3",
    "thai": "\u0e01-\u0e3a\u0e40-\u0e4e",
    "lao": "\u0e81-\u0ece\u0edc-\u0edf",
    "tibetan": "\u0f00-\u0f17\u0f40-\u0fbc",
    "myanmar": "\u1000-\u103f\u1050-\u108f",
    "ethiopic": "\u1200-\u135f",
    "khmer": "\u1780-\u17d3",
}
# Up to three parts make one word (c'est-à-dire aside); a longer chain is words with hyphens for spaces.
_LATIN = f"[{_LETTERS['latin']}]"
_WORDS = [f"(?P<latin>{_LATIN}++(?:['’-]{_LATIN}++){{0,2}}+(?!['’-]{_LATIN})|{_LATIN}+)"]
_WORDS += [f"(?P<{script}>[{_LETTERS[script]}]+)" for script in ("han", "kana")]
_WORDS += [
    f"(?P<{script}>[{letters}]+(?:['’׳״ʼ\u200c-][{letters}]+){{0,2}})"
    for script, letters in _LETTERS.items()
    if script not in ("latin", "han", "kana")
]
# The charset in front spares most characters between words a trial of every script.
_TOKEN = re.compile("(?![\\0-@\\[-`{-\x7f])(?:" + "|".join(_WORDS) + r"|(?P<other>[^\W\d_]+))")
_SENTENCE_END = re.compile("[.!?;\n\u0589\u061b\u061f\u06d4\u0964\u0965\u0e2f\u104b\u1362\u17d4。！？；．｡…\0]")

WITHIN, CLAUSE, SENTENCE = range(3)


@dataclass(slots=True)
class Token:
    """One word, or one run of a script without spaces. `gap` says what stands before it."""

    script: str
    text: str
    gap: int
    symbolic: bool
    """Written like a name in code, a variable, a unit or a name of points (my_total, x, km, log, AB, x1): it says
    nothing about the language, and counts as a word only where it is a function word of the language around it."""


def tokens(text: str) -> Iterator[Token]:
    """The words of a text in order; digits, punctuation and everything else only show as gaps."""
    underscores = "_" in text
    end = 0
    for match in _TOKEN.finditer(text):
        start = match.start()
        gap = text[end:start]
        if gap == " " and end:
            kind = WITHIN
        elif not end or _SENTENCE_END.search(gap):
            kind = SENTENCE
        else:
            kind = CLAUSE if gap.strip() else WITHIN
        end = match.end()
        word = match.group()
        size = end - start
        joined = underscores and (text[end : end + 1] == "_" or (start > 0 and text[start - 1] == "_"))
        if joined and size == 1:
            continue
        symbolic = joined or size == 1 or (size <= 4 and _looks_symbolic(text, start, end, word))
        yield Token(match.lastgroup or "other", word, kind, symbolic)


def _looks_symbolic(text: str, start: int, end: int, word: str) -> bool:
    """Whether a short word is an operator or a unit (log, km), names points (AB, CDE) or touches a number (3cm)."""
    if word in word_list("symbols.txt"):
        return True
    beside = text[max(start - 1, 0) : start], text[end : end + 1]
    return len(word) <= 3 and (word.isupper() or beside[0].isdigit() or beside[1].isdigit())
