"""What the scored rollouts of a step come to: the same metrics, whoever sampled and trained."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev

from guerdon.correlations import repetition, within_groups


@dataclass(frozen=True)
class Scored:
    """What is counted of one rollout. `total` and the terms' values are None for no score."""

    total: float | None
    terms: Mapping[str, float | None]
    completion_ids: Sequence[int]
    truncated: bool

    @property
    def length(self) -> int:
        """In tokens."""
        return len(self.completion_ids)

    @cached_property
    def repetition(self) -> float:
        """See `guerdon.correlations.repetition`."""
        return repetition(self.completion_ids)


def group_metrics(groups: Sequence[Sequence[Scored]], model_based: Collection[str] = ()) -> dict[str, float]:
    """The metrics of a step by name, as docs/reference/run-directory.md lists them; a group is one question's rollouts.

    `model_based`: the terms whose scores are models' opinions; what they go along with is among the metrics. What
    nobody can tell, such as the mean of a term that never gave a score, is not there.
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
    if model_based:
        metrics["completions/repetition"] = fmean(one.repetition for one in rollouts)
        metrics |= _correlations(groups, model_based)
    return metrics | {
        "rollouts/unscored": float(len(rollouts) - len(totals)),
        "groups/dropped": float(len(groups) - len(compared)),
        "completions/mean_length": fmean(one.length for one in rollouts),
        "completions/clipped_ratio": fmean(one.truncated for one in rollouts),
        "tokens": float(sum(one.length for one in rollouts)),
    }


def _correlations(groups: Sequence[Sequence[Scored]], model_based: Collection[str]) -> Iterator[tuple[str, float]]:
    names = dict.fromkeys(name for group in groups for one in group for name in one.terms)
    others: dict[str, Callable[[Scored], float | None]] = {
        "length": lambda one: one.length,
        "repetition": lambda one: one.repetition,
        **{f"rewards/{name}": _value_of(name) for name in names if name not in model_based},
    }
    for name in (name for name in names if name in model_based):
        value_of = _value_of(name)
        for other, what in others.items():
            pairs = [[(value_of(one), what(one)) for one in group] for group in groups]
            found = within_groups([[(a, b) for a, b in group if a is not None and b is not None] for group in pairs])
            if found is not None:
                yield f"correlation/{name}/{other}", found


def _value_of(name: str) -> Callable[[Scored], float | None]:
    return lambda one: one.terms.get(name)
