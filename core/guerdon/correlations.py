"""What the scores of a term go along with, from one completion of a question to the next."""

from collections.abc import Iterable, Sequence
from math import fsum, sqrt

SIZE = 4
"""Tokens in an n-gram."""


def within_groups(groups: Iterable[Sequence[tuple[float, float]]]) -> float | None:
    """Spearman's correlation of pairs of numbers, -1 to 1, by their ranks within each group; None if it is undefined.

    Equal numbers share the mean of their ranks. Each group's ranks are taken from their own mean, and Pearson's
    correlation is of all of these together: questions differ in how long their answers are and what they earn, and a
    policy is paid for the difference within a group only. Undefined where one of the two is constant in every group.
    """
    products, firsts, seconds = [], [], []
    for group in groups:
        middle = (len(group) - 1) / 2
        one, other = (_ranks([pair[place] for pair in group]) for place in (0, 1))
        products += [(a - middle) * (b - middle) for a, b in zip(one, other, strict=True)]
        firsts += [(rank - middle) ** 2 for rank in one]
        seconds += [(rank - middle) ** 2 for rank in other]
    spread = sqrt(fsum(firsts) * fsum(seconds))
    return max(-1.0, min(1.0, fsum(products) / spread)) if spread else None


def repetition(tokens: Sequence[int]) -> float:
    """The share of its n-grams of four tokens that were there before, 0 to 1; 0 where there is none.

    seq-rep-4 of Welleck et al., Neural Text Generation with Unlikelihood Training (2019, arXiv 1908.04319).
    """
    count = len(tokens) - SIZE + 1
    if count < 1:
        return 0.0
    return 1 - len(set(zip(*(tokens[start : start + count] for start in range(SIZE)), strict=True))) / count


def _ranks(values: Sequence[float]) -> list[float]:
    """From 0; equal values share the mean of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    begin = 0
    while begin < len(order):
        end = begin
        while end + 1 < len(order) and values[order[end + 1]] == values[order[begin]]:
            end += 1
        for place in order[begin : end + 1]:
            ranks[place] = (begin + end) / 2
        begin = end + 1
    return ranks
