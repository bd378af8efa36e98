"""How good a model of preferences is, on examples that it has not learnt from. Pure functions of numbers."""

import math
from collections.abc import Sequence
from statistics import StatisticsError, correlation, fmean

BINS = 10


def report(margins: Sequence[float], wanted: Sequence[bool], scored: Sequence[tuple[float, int]]) -> dict[str, float]:
    """Metrics of a model that says of each example that it is wanted with the chance σ(margin).

    `scored`: each text's score, and its length in tokens. A margin of 0 has decided nothing, and is wrong. Of a pair
    whose first text is always the wanted one, calibration is that of the text which the model prefers.
    """
    right = [margin != 0 and (margin > 0) == want for margin, want in zip(margins, wanted, strict=True)]
    sure = [logistic(abs(margin)) for margin in margins]
    losses = [math.log1p(math.exp(-abs(m))) + (0 if ok else abs(m)) for m, ok in zip(margins, right, strict=True)]
    return {
        "eval/loss": fmean(losses),
        "eval/accuracy": fmean(right),
        "eval/calibration_error": calibration_error(sure, right),
        "eval/brier": brier(sure, right),
        "eval/length_correlation": rank_correlation([score for score, _ in scored], [length for _, length in scored]),
    }


def logistic(logit: float) -> float:
    """σ(x), for x ≥ 0."""
    return 1 / (1 + math.exp(-logit))


def calibration_error(chances: Sequence[float], came: Sequence[bool]) -> float:
    """The expected calibration error in ten bins of equal width: the mean distance of what was said from what came.

    Guo et al., On Calibration of Modern Neural Networks (arXiv 1706.04599), equation 3.
    """
    bins: list[list[float]] = [[] for _ in range(BINS)]
    for chance, did in zip(chances, came, strict=True):
        bins[min(int(chance * BINS), BINS - 1)].append(chance - did)
    return math.fsum(abs(math.fsum(gaps)) for gaps in bins) / len(chances)


def brier(chances: Sequence[float], came: Sequence[bool]) -> float:
    """The mean squared distance of the chances from what came (Brier, 1950)."""
    return fmean((chance - did) ** 2 for chance, did in zip(chances, came, strict=True))


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's ρ, ties at their mean rank; 0 where one side never changes, or there are fewer than two."""
    try:
        return correlation(_ranks(one), _ranks(other))
    except StatisticsError:
        return 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    begin = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or values[order[end]] != values[order[begin]]:
            for place in order[begin:end]:
                ranks[place] = (begin + end - 1) / 2
            begin = end
    return ranks
