"""Padding: words that only go round in circles count for nothing."""

ROUNDS = 3
LONGEST = 40
"""Words in the longest circle that is looked for."""


class Repetition:
    """Sees the words of a text go by and says which of them are to be counted.

    Where three words in a row come back at the same distance, word after word, the text goes round in a circle, and
    after `ROUNDS` rounds its words stop counting: repeating what is in the target language buys nothing. Constant time
    and memory per word.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[str, str, str], int] = {}
        self._before = ("", "")
        self._place = 0
        self._period = 0
        self._length = 0

    def counts(self, word: str) -> bool:
        """Whether this next word is to be counted."""
        three = (*self._before, word)
        self._before = three[1:]
        period = self._place - self._last.get(three, self._place)
        self._last[three] = self._place
        self._place += 1
        if not 0 < period <= LONGEST:
            self._period = 0
            return True
        self._length = self._length + 1 if period == self._period else 1
        self._period = period
        return self._length <= (ROUNDS - 1) * period
