"""From questions to experience: completions are sampled, and scored while the next are sampled."""

import asyncio
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import torch

from guerdon import (
    DataError,
    LiveModel,
    PluginError,
    Rollout,
    Run,
    Sampling,
    Scored,
    Task,
    Total,
    group_advantages,
    group_metrics,
)
from guerdon_local.experience import Experience, Lesson
from guerdon_local.reflection import reflection_words
from guerdon_local.sampler import prompt_of
from guerdon_local.seeds import derived, shuffled

if TYPE_CHECKING:
    from guerdon_local.grpo import Grpo

SCALE_EPSILON = 1e-4
"""Added to a standard deviation that advantages are divided by, as in TRL 1.16 and `guerdon.group_advantages`."""


@dataclass(frozen=True)
class Group:
    """The completions of one question."""

    rollouts: Sequence[Rollout]
    totals: Sequence[Total]

    @property
    def scores(self) -> list[float]:
        """Of the rollouts that have one."""
        return [total.value for total in self.totals if total.value is not None]

    @property
    def dropped(self) -> bool:
        """Whether there is nothing to compare."""
        return len(self.scores) < 2

    @property
    def varied(self) -> bool:
        """Whether something can be learnt from it. By max - min: a deviation of equal numbers is not always 0."""
        return not self.dropped and max(self.scores) > min(self.scores)


class Collector:
    """Asks the questions of a run, in an order that the seed decides, and makes experience of the answers."""

    def __init__(self, run: Run, options: "Grpo", model: LiveModel, cursor: int = 0) -> None:
        """`cursor`: how many questions were asked before. Raises DataError for tasks that cannot be trained on."""
        assert run.tasks is not None
        self.run, self.options, self.model, self.cursor = run, options, model, cursor
        self.tasks = list(run.tasks)
        self._check()
        self.times: dict[str, float] = {}
        """Wall-clock seconds of the last generation, as metrics."""
        self._order = shuffled(len(self.tasks), run.seed, run.stage, cursor)

    async def collect(self, step: int) -> list[Lesson]:
        """The experience of the next `steps_per_generation` optimizer steps, of which `step` is the first."""
        options = self.options
        wanted = options.batch_size * options.steps_per_generation
        self.times = {"time/sampling": 0.0, "time/rewards_wait": 0.0}
        groups: list[Group] = []
        missing = wanted
        for attempt in range(options.dynamic_sampling + 1):
            groups += await self._ask(self._next(missing), step, attempt)
            missing = wanted - sum(group.varied for group in groups)
            if not missing:
                break
        rollouts = [rollout for group in groups for rollout in group.rollouts]
        self.run.journal.scored(step, rollouts, [total for group in groups for total in group.totals])
        sampled = sum(len(rollout.completion_ids or ()) for rollout in rollouts)
        self.times["time/tokens_per_second"] = sampled / max(self.times["time/sampling"], 1e-9)

        # What has no variance fills the places that are left.
        places = [i for i, group in enumerate(groups) if group.varied]
        places += [i for i, group in enumerate(groups) if not group.varied][:missing]
        kept = [groups[i] for i in sorted(places)]
        others = [groups[i] for i in sorted({*range(len(groups))} - {*places})]
        rows = self._experience(kept)
        lessons = []
        for number in range(options.steps_per_generation):
            mine = slice(number * options.batch_size, (number + 1) * options.batch_size)
            seen = kept[mine] + others[number :: options.steps_per_generation]
            metrics = _metrics(seen, self.run.mixture.model_based)
            if options.dynamic_sampling:
                metrics["groups/resampled"] = float(len(seen) - options.batch_size)
            lessons.append(Lesson([row for group in rows[mine] for row in group], metrics))
        return lessons

    async def _ask(self, tasks: Sequence[Task], step: int, attempt: int) -> list[Group]:
        options, run = self.options, self.run
        assert run.sampler is not None
        at_once = options.questions_at_once
        pending = []
        for begin in range(0, len(tasks), at_once):
            seed = derived(run.seed, run.stage, "sampling", step, attempt, begin)
            sampling = Sampling(options.temperature, options.top_p, options.max_completion_length, seed)
            began = time.perf_counter()
            sampled = await run.sampler.sample(self.model, tasks[begin : begin + at_once], options.group_size, sampling)
            self.times["time/sampling"] += time.perf_counter() - began
            _check_sampled(sampled, tasks[begin : begin + at_once], options.group_size, run.sampler.name)
            flat = [rollout for group in sampled for rollout in group]
            names = [f"{attempt}.{begin + number}" for number, group in enumerate(sampled) for _ in group]
            # Rewards are judged in threads and processes of their own, while the policy samples on.
            pending.append((sampled, run.mixture.submit(flat, names)))
        began = time.perf_counter()
        groups = []
        for sampled, future in pending:
            totals = await asyncio.wrap_future(future)
            for group in sampled:
                groups.append(Group(group, totals[: len(group)]))
                totals = totals[len(group) :]
        self.times["time/rewards_wait"] += time.perf_counter() - began
        return groups

    def _next(self, count: int) -> list[Task]:
        self.cursor += count
        return [self.tasks[next(self._order)] for _ in range(count)]

    def _experience(self, groups: Sequence[Group]) -> list[list[Experience]]:
        """Of each group: its rollouts that have a score, unless the group is dropped."""
        options = self.options
        scores = [score for group in groups if not group.dropped for score in group.scores]
        divisor = stdev(scores) + SCALE_EPSILON if options.scale_rewards == "batch" and scores else 1.0
        found = []
        for group in groups:
            advantages = group_advantages([total.value for total in group.totals], options.scale_rewards == "group")
            found.append(
                [
                    Experience(
                        prompt_ids=rollout.prompt_ids or (),
                        completion_ids=rollout.completion_ids or (),
                        advantage=advantage / divisor,
                        counted=not (rollout.truncated and options.mask_truncated_completions),
                        sampled=torch.tensor(rollout.logprobs),
                    )
                    for rollout, advantage in zip(group.rollouts, advantages, strict=True)
                    if advantage is not None
                ]
            )
        return found

    def _check(self) -> None:
        where = f"tasks of the stage '{self.run.stage}'"
        if not self.tasks:
            raise DataError(where, "there are none", "look at the options of the tasks")
        if not any(self.run.mixture.covers(task.domain) for task in self.tasks):
            domains = ", ".join(sorted({str(task.domain) for task in self.tasks}))
            way_out = "give a reward the tasks' `domains`, or none for every task"
            raise DataError(where, f"no reward with a weight applies to any of them (domains: {domains})", way_out)
        for task in self.tasks:  # now, and not when its turn comes
            prompt_of(self.model, task, self.options.max_completion_length)


def _check_sampled(groups: Sequence[Sequence[Rollout]], tasks: Sequence[Task], size: int, sampler: str) -> None:
    where = f"sampler '{sampler}'"
    if [len(group) for group in groups] != [size] * len(tasks):
        sizes = sorted({len(group) for group in groups})
        what = f"gave {len(groups)} groups of {sizes} completions, asked for {len(tasks)} of {size}"
        raise PluginError(where, what, "mend the plugin that brings it")
    for rollout in (rollout for group in groups for rollout in group):
        if not rollout.prompt_ids or not rollout.completion_ids or rollout.logprobs is None:
            way_out = "use a sampler that says what it sampled, such as `local`"
            raise PluginError(where, "gives completions without token ids or log-probabilities", way_out)
        if len(rollout.logprobs) != len(rollout.completion_ids):
            what = f"gives {len(rollout.logprobs)} log-probabilities for {len(rollout.completion_ids)} tokens"
            raise PluginError(where, what, "mend the plugin that brings it")


def _metrics(groups: Sequence[Group], model_based: Collection[str]) -> dict[str, float]:
    metrics = group_metrics(
        [
            [
                Scored(
                    total.value,
                    {name: term.score.value for name, term in total.terms.items()},
                    rollout.completion_ids or (),
                    rollout.truncated,
                )
                for rollout, total in zip(group.rollouts, group.totals, strict=True)
            ]
            for group in groups
        ],
        model_based,
    )
    rollouts = [rollout for group in groups for rollout in group.rollouts]
    words = fmean(reflection_words(rollout.completion) for rollout in rollouts)
    return metrics | {"completions/reflection_words": words}
