"""The trainer: sample groups, keep the best of each, learn to say that."""

import asyncio
import random
from collections.abc import Mapping
from statistics import fmean
from typing import ClassVar

from guerdon import Run, Sampling, Trainer, opened


class BestOf(Trainer):
    """Fine-tuning on the best completion of each group. A group whose completions earn the same teaches nothing."""

    name = "best-of"
    requires = ("policy", "sampler", "tasks", "rewards")
    needs: ClassVar[Mapping[str, str]] = {
        "torch": "pip install 'guerdon[local]'",
        "transformers": "pip install 'guerdon[local]'",
    }

    steps: int = 100
    """Optimizer steps."""
    batch_size: int = 8
    """Questions of one step."""
    group_size: int = 8
    """Completions of each question, of which the best is learnt from."""
    max_completion_length: int = 256
    """Tokens after which a completion is cut off."""
    learning_rate: float = 1e-5
    """Of Adam."""
    save_steps: int = 50
    """A checkpoint every so many steps, and one at the end."""

    def fit(self, run: Run) -> None:
        asyncio.run(self._fit(run))

    async def _fit(self, run):
        from guerdon_best_of.learner import Learner

        journal, questions = run.journal, list(run.tasks)
        learner = Learner(journal.restored or run.checkpoint(), self.learning_rate)
        if journal.restored:
            learner.go_on_from(journal.restored)
        async with opened(run.sampler):
            if journal.restored is None and (metrics := await run.evaluate(learner.model, 0)):
                journal.log(0, metrics)
            for step in journal.steps(self.steps):
                # From the seed and the step alone, so that a resumed run draws what it would have drawn.
                chance = random.Random(f"{run.seed} {run.stage} {step}")
                tasks = chance.choices(questions, k=self.batch_size)
                sampling = Sampling(max_completion_length=self.max_completion_length, seed=chance.getrandbits(32))
                groups = await run.sampler.sample(learner.model, tasks, self.group_size, sampling)
                rollouts = [rollout for group in groups for rollout in group]
                names = [str(number) for number, group in enumerate(groups) for _ in group]
                totals = await run.mixture.score(rollouts, names)
                journal.scored(step, rollouts, totals)

                best = best_of_groups(rollouts, names, totals)
                metrics = {**told(rollouts, totals), "groups/learnt": len(best), **learner.learn(best)}
                metrics |= await run.evaluate(learner.model, step, last=step == self.steps)
                journal.log(step, metrics)
                if journal.due(step, self.save_steps, self.steps):
                    with journal.saving(step, last=step == self.steps) as directory:
                        learner.save(directory)


def best_of_groups(rollouts, names, totals):
    """The first of the best of each group; none of a group that earns the same. No score is no zero: it is left out."""
    groups = {}
    for rollout, name, total in zip(rollouts, names, totals, strict=True):
        if total.value is not None:
            groups.setdefault(name, []).append((total.value, rollout))
    best = []
    for scored in groups.values():
        values = [value for value, _ in scored]
        if max(values) > min(values):
            best.append(scored[values.index(max(values))][1])
    return best


def told(rollouts, totals):
    """What every trainer should tell, under the names that `guerdon plot` knows."""
    metrics = {"completions/mean_length": fmean(len(rollout.completion_ids) for rollout in rollouts)}
    metrics["completions/clipped_ratio"] = fmean(rollout.truncated for rollout in rollouts)
    metrics["rollouts/unscored"] = sum(total.value is None for total in totals)
    if values := [total.value for total in totals if total.value is not None]:
        metrics["reward"] = fmean(values)
    for name in totals[0].terms:
        scores = [total.terms[name].score.value for total in totals]
        if values := [value for value in scores if value is not None]:
            metrics[f"rewards/{name}/mean"] = fmean(values)
    return metrics
