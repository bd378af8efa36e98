"""Group-relative advantages, where some rollouts of a group may have no score."""

from collections.abc import Sequence
from math import fsum, sqrt


def group_advantages(totals: Sequence[float | None], scale: bool = True, epsilon: float = 1e-4) -> list[float | None]:
    """Each rollout's advantage over its own group (DeepSeekMath, arXiv 2402.03300, section 4.1.2).

    `totals`: one group's totals, None for no score. A rollout without a score gets no advantage and has no place in
    the baseline; a group with fewer than two scores has none at all. `scale` divides by the sample standard deviation
    plus `epsilon` (Dr. GRPO, arXiv 2503.20783, does not).
    """
    scores = [value for value in totals if value is not None]
    if len(scores) < 2:
        return [None for _ in totals]
    # Not by a zero deviation: rounding makes one of a constant group.
    if max(scores) == min(scores):
        return [None if value is None else 0.0 for value in totals]
    baseline = fsum(scores) / len(scores)
    deviation = sqrt(fsum((value - baseline) ** 2 for value in scores) / (len(scores) - 1))
    divisor = deviation + epsilon if scale else 1.0
    return [None if value is None else (value - baseline) / divisor for value in totals]
