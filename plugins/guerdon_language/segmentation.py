"""How many words there are in writing without spaces."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

_PIECE = 1000
_KATAKANA = "\u30a0-\u30ff\u31f0-\u31ff\uff66-\uff9f"
_JAPANESE = re.compile(f"(?P<loan>[{_KATAKANA}]+)|[\u3041-\u309f]+|[^\u3041-\u309f{_KATAKANA}]+")


@cache
def _jieba() -> Any:
    import jieba

    tokenizer = jieba.Tokenizer()
    # Not `initialize`, which would unmarshal a file of a guessable name in the directory for temporary files.
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer


def chinese(run: str) -> Iterator[str]:
    """The words of a run of Han characters, by jieba's dictionary and its model for unknown words."""
    tokenizer = _jieba()
    for start in range(0, len(run), _PIECE):
        yield from tokenizer.cut(run[start : start + _PIECE])


def japanese(run: str) -> Iterator[str]:
    """The words of a run of kana and Han: a katakana run is one, other characters make one for every two.

    An estimate without a dictionary; short-unit words of written Japanese have close to two characters.
    """
    for match in _JAPANESE.finditer(run):
        if match["loan"]:
            yield match["loan"]
        else:
            yield from unspaced(match.group(), 2)


def unspaced(run: str, size: int) -> Iterator[str]:
    """A run of an unspaced script as pieces of its average word length, `size` characters."""
    for start in range(0, len(run), size):
        yield run[start : start + size]
