"""Judging as a run does it: in a worker process, within boxed-math's own budget of time and memory."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import pytest

from guerdon import Mixture, Rollout, Score, Task, Term
from guerdon_math import BoxedMath

Judged: TypeAlias = Callable[[Mapping[str, tuple[str, str]]], dict[str, Score]]


@pytest.fixture(scope="module")
def judged_by_workers() -> Iterator[Judged]:
    """Scores of pairs of ground truth and completion, by name. A score that names the truth is the verifier's own."""
    with Mixture([Term("math", BoxedMath())], workers=2) as mixture:

        def judged(items: Mapping[str, tuple[str, str]]) -> dict[str, Score]:
            rollouts = [Rollout(Task(name, "", gold), completion) for name, (gold, completion) in items.items()]
            totals = asyncio.run(mixture.score(rollouts))
            return {name: total.terms["math"].score for name, total in zip(items, totals, strict=True)}

        yield judged
