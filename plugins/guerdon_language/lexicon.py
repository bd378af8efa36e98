"""What function words and letters say about a word's language."""

import re
import unicodedata
from functools import cache
from importlib.resources import files

_PLAIN = "abcdefghijklmnopqrstuvwxyz"
_CLITIC = re.compile(r"[^'-]+'?")


class Lexicon:
    """Function words and letters by language, from `function_words.txt`."""

    def __init__(self, text: str) -> None:
        words: dict[str, dict[str, None]] = {}
        self.letters: dict[str, frozenset[str]] = {}
        """The letters, lower case, that each language is written with; none where a script is not spelt by letters."""
        for block in text.split("\n["):
            head, _, body = block.partition("\n")
            code, bracket, letters = head.partition("]")
            if not bracket:
                continue
            own = letters.strip()
            latin = (own or body)[:1] < "\u0370"
            self.letters[code] = frozenset(own + (_PLAIN if latin else "") + "'-") if own or latin else frozenset()
            for word in body.split():
                words.setdefault(word.replace("\u200c", ""), {})[code] = None
        self.words: dict[str, tuple[str, ...]] = {word: tuple(codes) for word, codes in words.items()}
        """Function words, lower case, and the languages that have them."""

    def languages(self, word: str) -> tuple[str, ...]:
        """The languages that have `word` (lower case, with straight apostrophes) among their function words."""
        found = self.words.get(word)
        if found is not None:
            return found
        # d'abord, l'angle, peut-être: what stands first is what tells.
        if ("'" in word or "-" in word) and (first := _CLITIC.match(word)):
            return self.words.get(first.group(), ())
        return ()


@cache
def lexicon() -> Lexicon:
    """The one lexicon, read on first use."""
    return Lexicon(_read("function_words.txt"))


@cache
def word_list(file: str) -> frozenset[str]:
    """The words of a list that lies beside this module."""
    return frozenset(_read(file).split())


def _read(file: str) -> str:
    return files("guerdon_language").joinpath(file).read_text("utf-8")


def plain(word: str) -> str:
    """A word as the lexicon spells it: lower case, composed, straight apostrophes."""
    if word.isascii():
        return word.lower()
    return unicodedata.normalize("NFKC", word[:64]).lower().replace("’", "'")


def is_function_word(word: str) -> bool:
    """Whether any language has this word among its function words."""
    return bool(lexicon().languages(plain(word)))
