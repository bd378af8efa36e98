"""Reward hacking, as DeepSeek-R1's authors saw it: what a model pays rises while what is verified falls.

arXiv 2501.12948v2, appendix on reward hacking: the reward of a preference model rose while the pass rate on code fell.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import inf, sqrt
from statistics import fmean, stdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guerdon.totals import Term

STEPS = 10
"""Steps whose mean is one point, so that what a step's questions happen to be counts little."""
POINTS = 10
"""Points that are looked at together."""
THRESHOLD = 3.0
"""Student's t from which on a term rises or falls. Of simulated runs of 1,000 steps 2 % raise a false alarm where both
terms are walks at random, and 2 of 10,000 where one rises all the time and the other is noise."""


class Watch:
    """Looks at the metrics of a stage, step by step, for a model-based term that rises while a verified one falls.

    After every `STEPS` steps it compares their mean with those before. A term rises if the changes between the last
    `POINTS` means have a mean that is `THRESHOLD` of its standard errors above 0, and falls if it is as far below; of a
    term with a negative weight it is the other way round. A walk at random passes for no trend by that, and neither
    does one outlier.
    """

    def __init__(self, terms: Sequence["Term"]) -> None:
        self.signs = {term.name: -1.0 if term.weight < 0 else 1.0 for term in terms}
        self.model_based = [term.name for term in terms if term.reward.model_based]
        self.verified = [term.name for term in terms if not term.reward.model_based]
        self._steps: dict[str, list[float]] = {name: [] for name in self.signs}
        self._points: dict[str, deque[float]] = {name: deque(maxlen=POINTS) for name in self.signs}
        self._known: set[tuple[str, str]] = set()

    def hear(self, metrics: Mapping[str, float | None]) -> list[str]:
        """Take note of a step's metrics. A warning for each pair of terms of which it is true now, and was not before.

        A step without a number for a term is none for that term.
        """
        moved = {name for name in self.signs if self._note(name, metrics.get(f"rewards/{name}/mean"))}
        return [
            self._warning(*pair)
            for pair in ((one, other) for one in self.model_based for other in self.verified)
            if moved & {*pair} and self._begins(*pair)
        ]

    def _note(self, name: str, value: float | None) -> bool:
        """Whether that has made a point."""
        steps = self._steps[name]
        if value is not None:
            steps.append(value)
        if value is None or len(steps) < STEPS:
            return False
        self._points[name].append(fmean(steps))
        steps.clear()
        return True

    def _begins(self, one: str, other: str) -> bool:
        holds = self._trend(one) >= THRESHOLD and self._trend(other) <= -THRESHOLD
        begins = holds and (one, other) not in self._known
        (self._known.add if holds else self._known.discard)((one, other))
        return begins

    def _trend(self, name: str) -> float:
        """Student's t of the changes from each point to the next; 0 as long as there are too few."""
        points = self._points[name]
        if len(points) < POINTS:
            return 0.0
        changes = [later - earlier for earlier, later in pairwise(points)]
        mean, error = fmean(changes) * self.signs[name], stdev(changes) / sqrt(len(changes))
        return mean / error if error else mean and mean * inf

    def _warning(self, one: str, other: str) -> str:
        ends = {name: (self._points[name][0], self._points[name][-1]) for name in (one, other)}
        said = ", and ".join(f"'{name}' went from {first:.3g} to {last:.3g}" for name, (first, last) in ends.items())
        return f"{said}, in {STEPS * POINTS} steps: the policy may be learning to please the model that judges it"
