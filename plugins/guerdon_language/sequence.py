"""Which language each word of a text is in, for scripts that many languages share.

A hidden Markov model over the words: its states are the languages whose function words occur, and `None`, a language
that the lexicon does not know. A function word speaks for its languages, any other word a little against every
language of the lexicon (nearly half the words of running text are function words), and a letter that a language does
not have speaks against it. Changing the language costs much between two words, less at a comma, little at the end of a
sentence. Viterbi's algorithm finds the best path, so that switches inside a sentence come out where they are.
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from guerdon_language.lexicon import lexicon, plain
from guerdon_language.scripts import Token

HIT = 4.0
"""Log-odds of a word that is among a language's function words, against a word of any language."""
MISS = -0.6
"""The same for a word that is not."""
ALIEN = -2.5
"""The same for a word with a letter that the language does not have, on top of MISS."""
SWITCH = (3.4, 2.6, 1.0)
"""The cost of changing the language within a clause, between clauses, between sentences."""
UNKNOWN = 1.0
"""What a language outside the lexicon costs to begin with."""
RARITY = 0.7
"""How much dearer a change into a language is for each natural logarithm by which it is rarer than the commonest."""
STATES = 6
"""How many languages one text may be in at most, apart from those outside the lexicon."""


def label(words: Sequence[Token], favourite: str) -> list[str | None]:
    """The language of each word, None where no language of the lexicon fits. Ties go to `favourite`."""
    known = lexicon()
    hits: dict[str, tuple[str, ...]] = {}
    weights: dict[str, float] = defaultdict(float)
    spelt = [plain(token.text) for token in words]
    for word, token in zip(spelt, words, strict=True):
        found = hits.get(word)
        if found is None:
            found = hits[word] = known.languages(word)
        if not token.symbolic:
            for language in found:
                weights[language] += 1 / len(found)
    states = _states(hits, weights, favourite)
    if not states:
        return [None] * len(words)
    scores = {word: _scores(word, found, states) for word, found in hits.items()}
    commonest = max(weights.values())
    rarity = [RARITY * math.log(commonest / weights[state]) for state in states] + [UNKNOWN]
    silent = [0.0] * len(rarity)
    evidence = [silent if token.symbolic else scores[word] for word, token in zip(spelt, words, strict=True)]
    return _viterbi([token.gap for token in words], evidence, states, rarity)


def _states(hits: Mapping[str, Sequence[str]], weights: Mapping[str, float], favourite: str) -> list[str]:
    """The languages that the text may be in, the favourite first: those of which no commoner one has all the words."""
    words: dict[str, set[str]] = {language: set() for language in weights}
    for word, found in hits.items():
        for language in found:
            if language in words:
                words[language].add(word)
    states: list[str] = []
    # By name in the end, so that the order of equals does not depend on the text.
    for language in sorted(weights, key=lambda language: (-weights[language], language != favourite, language)):
        if len(states) < STATES and not any(words[language] <= words[state] for state in states):
            states.append(language)
    return sorted(states, key=lambda language: (language != favourite, language))


def _scores(word: str, found: tuple[str, ...], states: list[str]) -> list[float]:
    """What a word says for each state; the last is the language outside the lexicon."""
    scores = [HIT if state in found else MISS for state in states]
    if not word.isascii() and not found:
        letters = lexicon().letters
        for i, state in enumerate(states):
            if letters[state] and not letters[state].issuperset(word):
                scores[i] += ALIEN
    return [*scores, 0.0]


def _viterbi(gaps: list[int], evidence: list[list[float]], states: list[str], rarity: list[float]) -> list[str | None]:
    """The likeliest path through the states. `rarity` has one entry more than `states`, for None."""
    totals = [-dear for dear in rarity]
    steps: list[tuple[int, list[bool]]] = []
    for gap, scores in zip(gaps, evidence, strict=True):
        top = max(totals)
        bar = top - SWITCH[gap]
        changes: list[bool] = []
        after: list[float] = []
        for total, dear, score in zip(totals, rarity, scores):  # noqa: B905  # the innermost loop
            changed = total < bar - dear
            changes.append(changed)
            after.append((bar - dear if changed else total) + score)
        steps.append((totals.index(top), changes))
        totals = after
    state = totals.index(max(totals))
    path: list[str | None] = []
    for best, changes in reversed(steps):
        path.append(states[state] if state < len(states) else None)
        if changes[state]:
            state = best
    path.reverse()
    return path
