"""What the scored rollouts of a step come to: the same metrics, whoever sampled and trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev


@dataclass(frozen=True)
class Scored:
    """What is counted of one rollout. `total` and the terms' values are None for no score; `length` is in tokens."""

    total: float | None
    terms: Mapping[str, float | None]
    length: int
    truncated: bool


def group_metrics(groups: Sequence[Sequence[Scored]]) -> dict[str, float]:
    """The metrics of a step by name, as docs/reference/run-directory.md lists them; a group is one question's rollouts.

    What nobody can tell, such as the mean of a term that never gave a score, is not there.
    """
    rollouts = [rollout for group in groups for rollout in group]
    compared = [scores for group in groups if len(scores := [one.total for one in group if one.total is not None]) > 1]
    metrics: dict[str, float] = {}
    if totals := [one.total for one in rollouts if one.total is not None]:
        metrics["reward"] = fmean(totals)
    if compared:
        metrics["reward_std"] = fmean(stdev(scores) for scores in compared)
        # By max - min: a deviation of equal numbers is not always 0.
        metrics["frac_reward_zero_std"] = fmean(max(scores) == min(scores) for scores in compared)
    for name in dict.fromkeys(name for one in rollouts for name in one.terms):
        if known := [value for one in rollouts if (value := one.terms.get(name)) is not None]:
            metrics[f"rewards/{name}/mean"] = fmean(known)
    return metrics | {
        "rollouts/unscored": float(len(rollouts) - len(totals)),
        "groups/dropped": float(len(groups) - len(compared)),
        "completions/mean_length": fmean(one.length for one in rollouts),
        "completions/clipped_ratio": fmean(one.truncated for one in rollouts),
        "tokens": float(sum(one.length for one in rollouts)),
    }
