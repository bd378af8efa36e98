"""How large an answer may be, and how much work its judging, before it counts as undecidable.

Sizes are checked before the work is done, so a judging costs little whatever a completion holds.
"""

from threading import local

MAX_CHARS = 10_000
"""An answer longer than this, once redundant brackets are peeled off, is compared as text only."""
MAX_TOKENS = 3_000
MAX_DEPTH = 60
"""Nested groups in an answer. Every level costs the parser about seven Python frames."""
MAX_ITEMS = 200
"""Items of a list, set or tuple, and entries of a matrix."""
MAX_BITS = 20_000
"""Size of an exact integer. 2^{2025} is exact, 2^{100000000} is not."""
MAX_TERMS = 400
"""Terms of an expanded polynomial."""
MAX_DIGITS = 400
"""Digits to which two expressions are compared numerically."""


FUEL = 60_000
"""Work that one judging may do, in units of about five microseconds."""


class NotMath(Exception):
    """The text does not read as mathematics; it may still be compared as words."""


class Undecided(Exception):
    """The comparison would cost more than an answer is worth."""


class Undefined(Exception):
    """The expression has no value, as 1/0 or 0^0."""


class _Tank(local):
    left = FUEL


_tank = _Tank()


def refuel() -> None:
    """Begin a judging."""
    _tank.left = FUEL


def spend(amount: int) -> None:
    """Pay for work that is about to be done.

    Raises:
        Undecided: this judging has done its share.
    """
    _tank.left -= amount
    if _tank.left < 0:
        raise Undecided("too much work")
