"""The n-gram repetition penalty."""

from collections.abc import Sequence

from pydantic import Field

from guerdon import Rollout, Score, Verifier
from guerdon_format.units import words, words_and_signs

_MODULUS = (1 << 61) - 1
_BASE = 0x9E3779B97F4A7C15 % _MODULUS


class Repetition(Verifier):
    """From 0 for a completion that never repeats itself down to `max_penalty` for one that does nothing else.

    max_penalty × (1 - distinct n-grams / all n-grams), after "Demystifying Long Chain-of-Thought Reasoning in LLMs"
    (arXiv 2502.03373, appendix C.2), as a mean over the completion. A unit is a word or a number; in scripts without
    spaces (Chinese, Japanese, Thai …) it is a character; case and punctuation do not make a difference. Signs are
    counted as units as well where that finds more repetition, so that a flood of exclamation marks is one.

    Not covered: saying the same in other words, and counting upwards while nothing else changes.
    """

    name = "repetition"
    isolation = "inline"

    ngram_size: int = Field(default=20, ge=1)
    """Units in an n-gram. At 20 nine of ten real math solutions have no repetition; at 3 the mean is 30 %."""

    max_penalty: float = Field(default=-1.0, le=0.0, allow_inf_nan=False)
    """The score of endless repetition, 0 or less."""

    def verify(self, rollout: Rollout) -> Score:
        """Count the n-grams and those that are there for the first time."""
        readings = {"words": words(rollout.completion), "words and signs": words_and_signs(rollout.completion)}
        counted = {name: self._count(units) for name, units in readings.items()}
        name = max(counted, key=lambda name: counted[name][0] / (counted[name][1] or 1))
        repeated, total = counted[name]
        if not total:
            return Score(0.0, f"fewer than {self.ngram_size} words")
        reason = f"{repeated} of {total} {self.ngram_size}-grams of {name} were there before"
        return Score(self.max_penalty * repeated / total + 0.0, reason)  # + 0.0: nobody wants to read -0

    def _count(self, units: Sequence[str]) -> tuple[int, int]:
        """How many n-grams were there before, and how many there are. Linear in the length, whatever n is."""
        size = self.ngram_size
        total = max(0, len(units) - size + 1)
        numbers: dict[str, int] = {}
        codes = [numbers.setdefault(unit, len(numbers) + 1) for unit in units]
        # A rolling hash: each n-gram from the one before it. 61 bits make a chance collision negligible.
        leaving = pow(_BASE, size, _MODULUS)
        seen: set[int] = set()
        value = 0
        for place, code in enumerate(codes):
            value = value * _BASE + code
            if place >= size:
                value -= codes[place - size] * leaving
            value %= _MODULUS
            if place >= size - 1:
                seen.add(value)
        return total - len(seen), total
