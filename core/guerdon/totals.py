"""Many rewards, one number: weights, gates and routing."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guerdon.errors import OptionError
from guerdon.plugs import Reward
from guerdon.types import Outcome, Score

LARGEST_WEIGHT = 1e100
"""Beyond it a sum may overflow, and nothing could be compared with it."""


@dataclass(frozen=True)
class Term:
    """One reward in a mixture, and what it counts."""

    name: str
    reward: Reward
    weight: float = 1.0
    gate: bool = False
    domains: Sequence[str] | None = None
    """The task domains that it applies to; None for every task."""

    def __post_init__(self) -> None:
        if not isinstance(self.reward, Reward):
            raise OptionError(f"rewards.{self.name}", f"{self.reward!r} is no reward", "make one, as in `BoxedMath()`")
        for fault in faults(self.name, self.weight, self.gate, self.domains):
            raise fault

    def applies(self, domain: str | None) -> bool:
        """Whether it applies to a task of this domain."""
        return self.domains is None or domain in self.domains


def faults(name: str, weight: Any, gate: Any, domains: Any) -> list[OptionError]:
    """What is wrong with what a mixture is told of a term."""
    where = f"rewards.{name}"
    found = []
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        found.append(OptionError(f"{where}.weight", f"is a number, got {weight!r}"))
    elif not abs(weight) <= LARGEST_WEIGHT:
        shown = weight if isinstance(weight, float) else "a larger one"
        way_out = f"the largest is {LARGEST_WEIGHT:g}; leave it out for 1"
        found.append(OptionError(f"{where}.weight", f"is a finite number, got {shown}", way_out))
    if not isinstance(gate, bool):
        found.append(OptionError(f"{where}.gate", f"is true or false, got {gate!r}"))
    if domains is not None and (
        not isinstance(domains, list | tuple) or not domains or not all(isinstance(one, str) and one for one in domains)
    ):
        way_out = 'as in `domains = ["math"]`; leave it out for a term that applies to every task'
        found.append(OptionError(f"{where}.domains", f"is a list of names, got {domains!r}", way_out))
    return found


@dataclass(frozen=True)
class TermScore:
    """What one term gave one rollout. Times are wall-clock seconds, of the judging and of waiting for it."""

    score: Score
    seconds: float = 0.0
    queued_seconds: float = 0.0


@dataclass(frozen=True)
class Total:
    """What a mixture gives one rollout. `value` is None for no score; `reason` says how it came about."""

    value: float | None
    outcome: Outcome
    reason: str
    terms: Mapping[str, TermScore]


NOT_APPLICABLE = TermScore(Score(None, "not for this task's domain", Outcome.NOT_APPLICABLE))


def total(terms: Sequence[Term], scores: Mapping[str, TermScore]) -> Total:
    """0 if a gate is shut, else the weighted sum of the terms that apply; none if one that counts has no score."""
    applicable = [term for term in terms if scores[term.name] is not NOT_APPLICABLE]
    values = {term.name: scores[term.name].score.value for term in applicable}
    for term in applicable:
        value = values[term.name]
        if term.gate and value is not None and value < 1:
            return Total(0.0, Outcome.SCORED, f"gate '{term.name}' is shut: {scores[term.name].score.reason}", scores)
    sum_, parts = 0.0, []
    for term in applicable:
        value = values[term.name]
        if value is None and (term.weight != 0 or term.gate):
            lacking = scores[term.name].score
            return Total(None, lacking.outcome, f"'{term.name}' has no score: {lacking.reason}", scores)
        if value is not None and term.weight != 0:
            sum_ += term.weight * value
            parts.append(f"{term.weight:g} × {value:g} {term.name}")
    if not parts:
        return Total(None, Outcome.NOT_APPLICABLE, "no weighted term applies to this task's domain", scores)
    if not math.isfinite(sum_):
        return Total(None, Outcome.VERIFIER_ERROR, f"the sum is not finite: {' + '.join(parts)}", scores)
    return Total(sum_, Outcome.SCORED, " + ".join(parts), scores)
