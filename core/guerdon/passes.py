"""How good a model is, from how often it was right: pass@1 with its interval, and pass@k."""

import math
from collections.abc import Sequence
from statistics import fmean

Z = 1.959963984540054
"""The standard normal quantile of a 95 % interval."""
PSEUDO_TASKS = 2
"""That many tasks always solved and as many never solved are added for the interval."""


def pass_at(k: int, n: int, c: int) -> float:
    """The chance that of `k` samples at least one is right, of `n` samples of which `c` were; unbiased.

    1 − C(n − c, k) / C(n, k): Chen et al., Evaluating Large Language Models Trained on Code (2021, arXiv 2107.03374),
    equation 1. Raises ValueError unless 1 ≤ k ≤ n and 0 ≤ c ≤ n.
    """
    if not (1 <= k <= n and 0 <= c <= n):
        raise ValueError(f"no pass@{k} of {n} samples of which {c} were right")
    return 1 - math.comb(n - c, k) / math.comb(n, k)


def interval(shares: Sequence[float]) -> tuple[float, float]:
    """A 95 % interval of the mean of the tasks' shares of right samples, for tasks drawn as these were.

    Samples of one task are alike, so that tasks and not samples are counted: the standard error is clustered by task
    (Miller, Adding Error Bars to Evals, 2024, arXiv 2411.00640, section 2.2). That error would be 0 where all tasks
    are solved, or none; so two solved and two unsolved tasks are added first, as Agresti and Coull do (Approximate Is
    Better than "Exact" for Interval Estimation of Binomial Proportions, The American Statistician 52, 1998). With one
    sample a task it is their interval. Without any task nothing is known: (0, 1).
    """
    if not shares:
        return 0.0, 1.0
    added = [*shares, *[0.0] * PSEUDO_TASKS, *[1.0] * PSEUDO_TASKS]
    middle = fmean(added)
    error = math.sqrt(math.fsum((share - middle) ** 2 for share in added)) / len(added)
    # Rounding must not put the mean itself outside.
    mean = fmean(shares)
    low, high = max(0.0, middle - Z * error), min(1.0, middle + Z * error)
    return min(low, mean), max(high, mean)
