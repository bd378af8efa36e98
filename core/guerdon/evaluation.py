"""How good a model is on tasks that are kept apart: the run file's `[evaluation]`, and what comes of it."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from guerdon.consensus import answer_of, extracting_terms, vote
from guerdon.errors import DataError, OptionError, PluginError, suggestion
from guerdon.mixture import Mixture
from guerdon.parquet import write_parquet
from guerdon.plugs import LiveModel, Sampler, Sampling, Tasks
from guerdon.report import Report, TaskResult
from guerdon.totals import Term, Total
from guerdon.types import Outcome, Rollout, Task

AT_ONCE = 256
"""Rollouts that a sampler is asked for in one call. What was sampled is judged while the next are."""


class Evaluation(BaseModel):
    """What a model is tried on: tasks that no training step sees, and what counts as right."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    tasks: Tasks
    """The tasks to be tried on; keep them out of training."""
    correct: Annotated[tuple[str, ...], Field(min_length=1)]
    """Names of rewards. A completion is right if each of them that applies to its task gives 1 or more."""
    k: int = Field(1, gt=0)
    """How many completions of each task are sampled. From 2 on there are pass@k and cons@k too."""
    every: int = Field(0, ge=0)
    """After how many steps of a stage the model is tried again; 0 for only before the first step and after stages."""
    limit: Annotated[int, Field(gt=0)] | None = None
    """How many tasks to take, from the beginning; all of them if there is no limit."""
    temperature: float = Field(1.0, ge=0, allow_inf_nan=False)
    """The temperature of sampling; 0 takes the likeliest token every time."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Sample from the fewest tokens that have this share of the probability."""
    max_completion_length: int = Field(1024, gt=0)
    """How many tokens a completion may have."""

    def sampling(self, seed: int) -> Sampling:
        """How its completions are drawn."""
        return Sampling(self.temperature, self.top_p, self.max_completion_length, seed)


async def evaluate(
    tasks: Sequence[Task],
    mixture: Mixture,
    sampler: Sampler,
    model: LiveModel | Path,
    *,
    correct: Sequence[str],
    k: int,
    sampling: Sampling,
    done: Callable[[int], None] = lambda _: None,
) -> Report:
    """Sample `k` completions of each task and judge them. Right is what all of the rewards named `correct` hold right.

    `mixture` and `sampler` must be open. The same model, tasks and sampling give the same report, whatever was sampled
    before. `done` hears how many more completions are judged, from any thread. Raises GuerdonError.
    """
    terms = correct_terms(correct, mixture.terms)
    judging: list[tuple[Sequence[Task], list[list[Rollout]], Future[list[Total]]]] = []
    for number, chunk in enumerate(_chunks(tasks, max(1, AT_ONCE // k))):
        groups = await sampler.sample(model, chunk, k, replace(sampling, seed=_seed(sampling.seed, number)))
        _check(sampler, groups, len(chunk), k)
        names = [f"{number}.{place}" for place, group in enumerate(groups) for _ in group]
        future = mixture.submit([rollout for group in groups for rollout in group], names)
        judging.append((chunk, groups, future))
        future.add_done_callback(partial(_tell, done, len(names)))
    results = []
    for chunk, groups, future in judging:
        totals = await asyncio.wrap_future(future)
        for place, (task, group) in enumerate(zip(chunk, groups, strict=True)):
            of_task = totals[place * k : (place + 1) * k]
            results.append(TaskResult(task, group, of_task, [is_right(total, terms) for total in of_task]))
    return Report(k, await _with_votes(results, mixture, terms) if k > 1 else results)


def correct_terms(names: Sequence[str], terms: Sequence[Term], where: str = "evaluation.correct") -> list[Term]:
    """The terms of these names. Raises OptionError, at `where`, for one that is not among `terms`."""
    known = {term.name: term for term in terms}
    for name in names:
        if name not in known:
            raise OptionError(where, f"no reward is named '{name}'", suggestion(name, list(known)))
    return [known[name] for name in names]


def is_right(total: Total, terms: Sequence[Term]) -> bool | None:
    """Whether every one of these terms that applies gives full marks; None where one has no score, or none applies."""
    scores = [total.terms[term.name].score for term in terms]
    values = [score.value for score in scores if score.outcome is not Outcome.NOT_APPLICABLE]
    if not values or None in values:
        return None
    return all(value is not None and value >= 1 for value in values)


class Evaluator:
    """The evaluations of one stage of a run, when they are due. What was sampled is kept under `evaluations/`."""

    def __init__(self, settings: Evaluation, mixture: Mixture, directory: Path, seed: int, before: int = 0) -> None:
        """`directory` is the run's; `before`: how many steps of the run came before this stage."""
        self.settings, self.mixture, self.seed, self.before = settings, mixture, seed, before
        self.directory = directory / "evaluations"
        self._tasks: list[Task] | None = None

    def due(self, step: int, last: bool) -> bool:
        """Whether there is an evaluation after this step of the stage: 0 is before its first."""
        if step == 0:
            return self.before == 0
        return last or (self.settings.every > 0 and step % self.settings.every == 0)

    async def after(self, step: int, last: bool, model: LiveModel | Path, sampler: Sampler) -> Mapping[str, float]:
        """The metrics of the evaluation that is due after this step, as `eval/pass@1`; empty where none is due.

        `sampler` must be open. Raises GuerdonError.
        """
        if not self.due(step, last):
            return {}
        if self._tasks is None:
            self._tasks = held_out(self.settings)
        report = await evaluate(
            self._tasks,
            self.mixture,
            sampler,
            model,
            correct=self.settings.correct,
            k=self.settings.k,
            sampling=self.settings.sampling(self.seed),
        )
        number = self.before + step
        self.directory.mkdir(parents=True, exist_ok=True)
        rows = [{"step": number, **row} for row in report.rows()]
        await asyncio.to_thread(write_parquet, self.directory / f"step-{number:05d}.parquet", rows)
        return {f"eval/{name}": value for name, value in report.metrics().items()}


def held_out(settings: Evaluation) -> list[Task]:
    """The tasks that are tried on. Raises DataError where there are none."""
    tasks = list(islice(settings.tasks, settings.limit))
    if not tasks:
        raise DataError("evaluation.tasks", "there are none", f"look at the options of '{settings.tasks.name}'")
    return tasks


async def _with_votes(results: Sequence[TaskResult], mixture: Mixture, terms: Sequence[Term]) -> list[TaskResult]:
    extracting = extracting_terms(terms, [total for result in results for total in result.totals])
    answers = [
        [
            None if right is None else answer_of(rollout, total, terms, extracting)
            for rollout, total, right in zip(result.rollouts, result.totals, result.right, strict=True)
        ]
        for result in results
    ]
    majorities = await vote(mixture, terms, [result.rollouts for result in results], answers)
    return [
        TaskResult(result.task, result.rollouts, result.totals, result.right, agreed)
        for result, agreed in zip(results, majorities, strict=True)
    ]


def _chunks(tasks: Sequence[Task], size: int) -> Iterator[Sequence[Task]]:
    for start in range(0, len(tasks), size):
        yield tasks[start : start + size]


def _seed(seed: int, number: int) -> int:
    digest = hashlib.sha256(f"evaluation {seed} {number}".encode()).digest()
    return int.from_bytes(digest[:4]) >> 1


def _tell(done: Callable[[int], None], count: int, _: object) -> None:
    done(count)


def _check(sampler: Sampler, groups: Sequence[Sequence[Rollout]], tasks: int, k: int) -> None:
    if len(groups) != tasks or any(len(group) != k for group in groups):
        sizes = sorted({len(group) for group in groups})
        what = f"gave {len(groups)} groups of {sizes} completions, asked for {tasks} of {k}"
        raise PluginError(f"sampler '{sampler.name}'", what, "mend the plugin that brings it")
