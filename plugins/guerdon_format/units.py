"""Text as a sequence of units to count repetitions of: words, or characters where a script has no spaces."""

import re

_UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# At most sixteen characters, so that a text without spaces is no single word.
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W{_UNSPACED}]{{1,16}}")
_WORD_OR_SIGN = re.compile(f"[{_UNSPACED}]|[^\\W{_UNSPACED}]{{1,16}}|[^\\w\\s]|\n")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]+")


def words(text: str) -> list[str]:
    """The words and numbers of a text, lower case; each character of a script without spaces is one."""
    return _WORD.findall(_INVISIBLE.sub("", text).lower())


def words_and_signs(text: str) -> list[str]:
    """The same, and every sign and line break between them."""
    return _WORD_OR_SIGN.findall(_INVISIBLE.sub("", text).lower())
