"""What an evaluation found out: every task by itself, and all of them in a few numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from guerdon.ledger import row
from guerdon.passes import interval, pass_at
from guerdon.totals import Total
from guerdon.types import Rollout, Task


@dataclass(frozen=True)
class TaskResult:
    """The samples of one task."""

    task: Task
    rollouts: Sequence[Rollout]
    totals: Sequence[Total]
    right: Sequence[bool | None]
    """Whether each sample is right; None where nobody can tell."""
    agreed: Sequence[int] = ()
    """The numbers of the samples whose answer most of the task's samples have; none where no votes were counted."""

    @property
    def scored(self) -> int:
        """How many samples it is known of whether they are right."""
        return sum(one is not None for one in self.right)

    @property
    def correct(self) -> int:
        """How many samples are right."""
        return sum(one is True for one in self.right)

    @property
    def agreed_on_truth(self) -> bool:
        """Whether the answer that most samples have is right."""
        return any(self.right[number] for number in self.agreed)


@dataclass(frozen=True)
class Report:
    """An evaluation with `k` samples of each task. Samples without a score are left out of all shares, and counted."""

    k: int
    results: Sequence[TaskResult]

    @property
    def judged(self) -> list[TaskResult]:
        """The tasks of which at least one sample has a score."""
        return [result for result in self.results if result.scored]

    @property
    def unscored(self) -> int:
        """How many samples have no score."""
        return sum(len(result.rollouts) - result.scored for result in self.results)

    def metrics(self) -> dict[str, float]:
        """The numbers by name: pass@1 and its 95 % interval, pass@k and cons@k, the terms' means, lengths in tokens.

        Every share is the mean over tasks. A task with fewer than k scored samples has no place in pass@k. What nobody
        can tell is not there.
        """
        metrics: dict[str, float] = {}
        shares = [result.correct / result.scored for result in self.judged]
        if shares:
            low, high = interval(shares)
            metrics |= {"pass@1": fmean(shares), "pass@1/low": low, "pass@1/high": high}
        if self.k > 1:
            full = [result for result in self.results if result.scored >= self.k]
            if full:
                metrics[f"pass@{self.k}"] = fmean(pass_at(self.k, result.scored, result.correct) for result in full)
            if shares:
                metrics[f"cons@{self.k}"] = fmean(result.agreed_on_truth for result in self.judged)
        rollouts = [rollout for result in self.results for rollout in result.rollouts]
        for name, values in self._values().items():
            if values:
                metrics[f"rewards/{name}/mean"] = fmean(values)
        lengths = [len(rollout.completion_ids) for rollout in rollouts if rollout.completion_ids is not None]
        if lengths:
            metrics["mean_length"] = fmean(lengths)
        metrics["clipped_ratio"] = fmean(rollout.truncated for rollout in rollouts)
        metrics["unscored"] = float(self.unscored)
        return metrics

    def as_json(self) -> dict[str, Any]:
        """Everything as plain data: the counts, the metrics, and every task under `per_task`."""
        samples = sum(len(result.rollouts) for result in self.results)
        return {
            "tasks": len(self.results),
            "samples": samples,
            "k": self.k,
            **{**self.metrics(), "unscored": self.unscored},
            "per_task": [self._of_task(result) for result in self.results],
        }

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """Every sample as plain data: what `guerdon.ledger.row` says, and whether it is right."""
        for result in self.results:
            for number, pair in enumerate(zip(result.rollouts, result.totals, strict=True)):
                yield {**row(*pair), "sample": number, "correct": result.right[number]}

    def _values(self) -> dict[str, list[float]]:
        values: dict[str, list[float]] = {}
        for result in self.results:
            for total in result.totals:
                for name, term in total.terms.items():
                    values.setdefault(name, [])
                    if term.score.value is not None:
                        values[name].append(term.score.value)
        return values

    def _of_task(self, result: TaskResult) -> dict[str, Any]:
        said: dict[str, Any] = {
            "id": result.task.id,
            "n": result.scored,
            "c": result.correct,
            "unscored": len(result.rollouts) - result.scored,
            "pass@1": result.correct / result.scored if result.scored else None,
        }
        if self.k > 1:
            enough = result.scored >= self.k
            said[f"pass@{self.k}"] = pass_at(self.k, result.scored, result.correct) if enough else None
            said[f"cons@{self.k}"] = result.agreed_on_truth if result.scored else None
        return said
