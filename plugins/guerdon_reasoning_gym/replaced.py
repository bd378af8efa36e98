"""Scorers in place of those that one constant answer satisfies on every task (as of reasoning-gym 0.1.25).

A policy finds such an answer within a few hundred steps, and learns nothing else.
"""

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from guerdon_reasoning_gym.expressions import sympy_expression

ATTEMPT = 0.01
"""What several of reasoning-gym's scorers give for a wrong answer."""


def _game_of_life_halting(answer: str, entry: dict[str, Any]) -> float:
    # Its own compares the truth of two texts, and every text is true.
    return 1.0 if answer == entry["answer"] else 0.0


def _puzzle24(answer: str, entry: dict[str, Any]) -> float:
    # Its own takes any four numbers in range that make 24, rounded down: 8*3*1*1.
    try:
        made = sympy_expression(answer)
    except Exception:
        return ATTEMPT
    used = sorted(int(number) for number in re.findall(r"\b[0-9]+\b", answer))
    return 1.0 if made == 24 and used == sorted(entry["metadata"]["numbers"]) and "." not in answer else ATTEMPT


def _coin_flip(answer: str, entry: dict[str, Any]) -> float:
    # Its own gives full marks to any prefix of the right digits: 0.
    try:
        error = abs(Fraction(answer.replace(",", "")) - Fraction(entry["answer"]))
    except (ValueError, ZeroDivisionError):
        return 0.0
    return 1.0 if error <= Fraction(1, 10_000) else 0.0


def _complex_arithmetic(answer: str, entry: dict[str, Any]) -> float:
    # Its own takes the smaller of 1 and a distance that is not a number: nan.
    from reasoning_gym.algebra.complex_arithmetic import ComplexArithmeticDataset

    try:
        given = ComplexArithmeticDataset.parse_string_to_complex(answer)
        distance = abs(given - complex(*entry["metadata"]["result"]))
    except (ValueError, TypeError, OverflowError):
        return 0.0
    return 0.0 if math.isnan(distance) else math.exp(-distance)


REPLACED: dict[str, Callable[[str, dict[str, Any]], float]] = {
    "coin_flip": _coin_flip,
    "complex_arithmetic": _complex_arithmetic,
    "game_of_life_halting": _game_of_life_halting,
    "puzzle24": _puzzle24,
}
"""By the name of the dataset: from an answer and its entry to a score."""
