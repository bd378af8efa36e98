"""How many words of a text are in which language."""

from collections import Counter
from collections.abc import Iterable

from guerdon_language.detectors import UNKNOWN, Detector
from guerdon_language.han import name_han
from guerdon_language.lexicon import lexicon, plain
from guerdon_language.repetition import Repetition
from guerdon_language.scripts import ONLY, SHARED, UNSPACED, Token, tokens
from guerdon_language.segmentation import chinese, japanese, unspaced
from guerdon_language.shared import name_shared
from guerdon_language.strip import prose

COMPOUNDING = frozenset(
    {"de", "et", "fi", "hu", "is", "kk", "kn", "ml", "nl", "no", "da", "sv", "sw", "ta", "te", "tr"}
)
"""Languages with honest words of more than 24 letters."""


def census(text: str, target: str, detector: Detector) -> Counter[str]:
    """The number of words in each language, by ISO 639-1 code, `und` where nobody can name it.

    `target` wins where two languages explain a stretch of text equally well. Words that only go round in circles are
    not counted. Linear in the length of the text.
    """
    found = list(tokens(prose(text)))
    languages = [ONLY.get(token.script) for token in found]
    for script in SHARED:
        places = [i for i, token in enumerate(found) if token.script == script]
        for i, name in zip(places, name_shared([found[i] for i in places], target, detector), strict=True):
            languages[i] = name
    name_han(found, languages, target)
    counts: Counter[str] = Counter()
    fresh = Repetition()
    for token, language in zip(found, languages, strict=True):
        code = language or UNKNOWN
        for word in _words(token, code):
            if fresh.counts(word):
                counts[code] += 1 if len(word) <= 24 else _size(word, code)
    return counts


def _words(token: Token, language: str) -> Iterable[str]:
    """The words that a token counts for."""
    if not token.symbolic and token.script in SHARED:
        return (token.text,)
    if token.script == "han" and language == "zh":
        return chinese(token.text)
    if token.script in {"han", "kana"}:
        return japanese(token.text)
    if token.script in UNSPACED:
        return unspaced(token.text, UNSPACED[token.script])
    if not token.symbolic or language in lexicon().languages(plain(token.text)):
        return (token.text,)
    return ()


def _size(word: str, language: str) -> int:
    """Of a word of more than 24 letters: one, unless spaces were left out to make many words pass for one."""
    return 1 if len(word) <= 40 and language in COMPOUNDING else -(-len(word) // 6)
