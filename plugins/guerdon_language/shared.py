"""The languages of words in a script that many share: by function words, and what these leave open by a detector."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from guerdon_language.detectors import UNKNOWN, Detector
from guerdon_language.scripts import SENTENCE, Token
from guerdon_language.sequence import label

ALONE = 12
"""Words that a detector can judge by themselves; shorter stretches are judged together."""
TOO_SHORT = 3
"""Words that go with what stands before them instead."""
LIKELY = 20.0
"""How much likelier a language is that the text is known to be in, or was asked to be in."""
QUESTIONS = 200
"""How many stretches of one text a detector judges by themselves; beyond that, several at once."""


class Stretch(NamedTuple):
    """Consecutive words in one language; None where function words do not tell."""

    language: str | None
    words: Sequence[Token]


def name_shared(words: Sequence[Token], target: str, detector: Detector) -> list[str]:
    """The language of each word. Ties go to `target`."""
    stretches = list(_stretches(words, label(words, target)))
    names = _ask(stretches, target, detector)
    settled = next((name for name in names if name), UNKNOWN)
    languages: list[str] = []
    for name, stretch in zip(names, stretches, strict=True):
        settled = name or settled
        languages.extend([settled] * len(stretch.words))
    return languages


def _stretches(words: Sequence[Token], labels: Sequence[str | None]) -> Iterator[Stretch]:
    """Words of one label; what has none, sentence by sentence."""
    start = 0
    for i in range(1, len(words) + 1):
        ends = i == len(words) or labels[i] != labels[start] or (labels[start] is None and words[i].gap == SENTENCE)
        if ends:
            yield Stretch(labels[start], words[start:i])
            start = i


def _ask(stretches: Sequence[Stretch], target: str, detector: Detector) -> list[str | None]:
    """The stretches' languages, with the detector's word on what is open.

    Detectors err on short text: long stretches are judged one by one (in batches, where there are very many), all
    short ones together, and very short ones stay open, unless there is nothing else.
    """
    names = [stretch.language for stretch in stretches]
    undecided = [i for i, name in enumerate(names) if name is None]
    long = [i for i in undecided if len(stretches[i].words) >= ALONE]
    short = [i for i in undecided if TOO_SHORT < len(stretches[i].words) < ALONE]
    if len(undecided) == len(names) and not long and not short:
        short = undecided
    batch = -(-len(long) // QUESTIONS) or 1
    questions = [long[i : i + batch] for i in range(0, len(long), batch)]
    likely = _present(stretches) | {target}
    for together in [*questions, short] if short else questions:
        text = " ".join(word.text[:40] for i in together for word in stretches[i].words)
        odds = {code: p * (LIKELY if code in likely else 1.0) for code, p in detector(text).items()}
        answer = max(odds, key=lambda code: (odds[code], code), default=UNKNOWN)
        for i in together:
            names[i] = answer
    return names


def _present(stretches: Sequence[Stretch]) -> set[str]:
    """The languages of at least a tenth of the words whose language function words tell."""
    sizes: Counter[str] = Counter()
    for language, words in stretches:
        if language is not None:
            sizes[language] += len(words)
    return {language for language, size in sizes.items() if size * 10 >= sizes.total()}
