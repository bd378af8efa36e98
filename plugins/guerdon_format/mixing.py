"""Language mixing, as far as scripts show it."""

import re
from collections import Counter

_SCRIPTS = {
    "Latin": "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02af\u1e00-\u1eff\uff21-\uff3a\uff41-\uff5a",
    "Chinese or Japanese": "\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff",
    "Korean": "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3",
    "Cyrillic": "\u0400-\u052f",
    "Greek": "\u0370-\u03ff\u1f00-\u1fff",
    "Arabic": "\u0620-\u065f\u066e-\u06d3\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc",
    "Hebrew": "\u05d0-\u05ea",
    "Thai": "\u0e01-\u0e4e",
    "Indic": "\u0900-\u0dff",
}
# One letter is a variable more often than a word; two Han or kana, or four Thai characters, make about one word.
_LENGTHS = {"Chinese or Japanese": "{1,2}", "Thai": "{1,4}", "Indic": "+", "Korean": "+"}
_NAMES = {f"s{i}": name for i, name in enumerate(_SCRIPTS)}
_WORD = re.compile("|".join(f"(?P<{g}>[{_SCRIPTS[n]}]{_LENGTHS.get(n, '{2,40}')})" for g, n in _NAMES.items()))
# Formulas and inline code, each within one paragraph and of bounded length.
_SIGNS = re.compile(r"\$\$[^$]{1,2000}\$\$|\$[^$\n]{1,500}\$|`[^`\n]{1,500}`|\\[A-Za-z]+|https?://[!-~]+")

TERMS = 0.3
"""Share of Latin words in another script's text that pass as terms and names."""
QUOTES = 0.05
"""Share of words of any other foreign script that pass as names and quotations."""


def foreign_words(text: str) -> str | None:
    """What is mixed into a text, as a phrase for people; None if it is in one language as far as scripts can tell."""
    counts = Counter(_NAMES[match.lastgroup or ""] for match in _WORD.finditer(_SIGNS.sub(" ", text)))
    total = counts.total()
    if not total:
        return None
    main = max(counts, key=lambda script: (counts[script] * (TERMS if script == "Latin" else 1 - TERMS), script))
    for script, count in counts.most_common():
        allowed = TERMS if script == "Latin" else QUOTES
        if script != main and count > allowed * total and count > 1:
            return f"{count} of {total} words are {script} in {main} text"
    return None
