"""What a reader can see of a text."""

import re
import unicodedata

# Fillers and blanks that Unicode counts among the letters and symbols.
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
_SHOWN = frozenset("LNPS")
_WORDLIKE = re.compile(r"[^\W_]")


def is_blank(text: str) -> bool:
    """Whether a text is only white space, control and format characters, marks without a letter, and fillers."""
    return not any(unicodedata.category(char)[0] in _SHOWN and char not in _FILLERS for char in text)


def says_something(text: str) -> bool:
    """Whether a text has a letter or a digit that can be seen."""
    return any(match.group() not in _FILLERS for match in _WORDLIKE.finditer(text))
