"""Group relative policy optimization: sample, score, compare within groups, and learn from what was better."""

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from guerdon import Run, opened
from guerdon_local.training import GradientTrainer

if TYPE_CHECKING:
    from guerdon_local.experience import Lesson


class Grpo(GradientTrainer):
    """GRPO (DeepSeekMath, arXiv 2402.03300) with the refinements of DAPO, Dr. GRPO and GSPO as options.

    Rollouts without a score have no advantage and no place in their group's baseline; a group with fewer than two
    scores is dropped. It takes samplers that work on a model in memory and say which tokens they sampled. There is no
    dropout, whatever the model's configuration says.
    """

    name: ClassVar[str] = "grpo"
    requires: ClassVar[tuple[str, ...]] = ("policy", "sampler", "tasks", "rewards")

    steps: int = Field(100, gt=0)
    """Optimizer steps. DeepSeek-R1-Zero: 10,400 (arXiv 2501.12948v2)."""

    batch_size: int = Field(32, gt=0)
    """Questions of one optimizer step. DeepSeek-R1: 32."""

    group_size: int = Field(16, ge=2)
    """Completions of each question. DeepSeek-R1: 16."""

    temperature: float = Field(1.0, gt=0)
    """What logits are divided by, in sampling and in training. DeepSeek-R1: 1."""

    top_p: float = Field(1.0, gt=0, le=1)
    """Sample from the likeliest tokens that have this probability together. Below 1, the tokens that could be sampled
    are kept, and the trained policy is a distribution over them too (DeepSeek-V3.2, arXiv 2512.02556)."""

    max_completion_length: int = Field(512, gt=0)
    """Tokens after which a completion is cut off. DeepSeek-R1-Zero: 32,768, and 65,536 after 8,200 steps."""

    sampling_batch_size: int | None = Field(None, gt=0)
    """Questions that are sampled at once; while they are scored, the next are sampled. Unless set: `batch_size`, or
    half of it where a generation has no more. Where rewards take no time, all of a generation at once is faster."""

    steps_per_generation: int = Field(1, gt=0)
    """Optimizer steps whose completions are sampled at once, by the policy before the first. DeepSeek-R1: 16."""

    num_iterations: int = Field(1, gt=0)
    """How often the completions of a generation are gone through (μ in arXiv 2402.03300). DeepSeek-R1: 1."""

    dynamic_sampling: int = Field(0, ge=0)
    """How often new questions are asked in place of those whose group has no variance in its rewards, or too few
    scores; what is then still without stays (DAPO, arXiv 2503.14476, section 3.2). 0 asks once."""

    scale_rewards: Literal["group", "batch", "none"] = "group"
    """What advantages are divided by: the standard deviation of the group (arXiv 2402.03300), of all scores of the
    generation (arXiv 2508.08221), or nothing (Dr. GRPO, arXiv 2503.20783)."""

    loss_type: Literal["grpo", "dapo", "dr_grpo"] = "dapo"
    """Whose mean the loss is: "grpo" of each completion and then of completions, "dapo" of all tokens of the step's
    batch, "dr_grpo" their sum by completions × `max_completion_length` (see `guerdon_local.loss.token_weights`)."""

    importance_sampling_level: Literal["token", "sequence"] = "token"
    """Whether each token has a ratio of its own or the whole completion has one (GSPO, arXiv 2507.18071), which keeps a
    mixture of experts stable when `steps_per_generation` or `num_iterations` is large."""

    epsilon: float = Field(0.2, ge=0)
    """How far the ratio may fall below 1 and still be learnt from. With "sequence", GSPO uses 3e-4."""

    epsilon_high: float | None = Field(None, ge=0)
    """The same above 1; unless set, `epsilon`. DAPO: 0.28. GSPO: 4e-4. DeepSeek-R1's first stage of reinforcement
    learning has 10."""

    beta: float = Field(0.0, ge=0)
    """What the KL divergence from the reference (estimator k3) counts in the loss. 0 keeps no reference.
    DeepSeek-R1: 0.001."""

    ref_model_sync_steps: int = Field(0, ge=0)
    """The reference becomes the policy after every so many steps; 0: it stays what the stage began with.
    DeepSeek-R1: 400."""

    mask_truncated_completions: bool = False
    """Leave the tokens of completions that were cut off out of the loss (DAPO, arXiv 2503.14476, section 3.4). They
    keep their place in the baseline."""

    @property
    def generation_steps(self) -> int:
        """The optimizer steps that one generation is good for."""
        return self.steps_per_generation * self.num_iterations

    @property
    def questions_at_once(self) -> int:
        """The questions that are sampled at once."""
        half = (self.batch_size * self.steps_per_generation + 1) // 2
        return self.sampling_batch_size or min(self.batch_size, half)

    def fit(self, run: Run) -> None:
        """Train for `steps`, or what an interruption has left of them."""
        asyncio.run(self._fit(run))

    async def _fit(self, run: Run) -> None:
        from guerdon_local import experience
        from guerdon_local.collecting import Collector
        from guerdon_local.learner import Learner
        from guerdon_local.policy_update import PolicyUpdate
        from guerdon_local.seeds import derived

        assert run.sampler is not None
        learner = Learner(run, self, self.steps)
        update = PolicyUpdate(self, learner)
        collector = Collector(run, self, learner.model, learner.restored.get("cursor", 0))
        lessons: list[Lesson] = []
        if learner.restored:
            lessons = experience.lessons(learner.restored["lessons"])
        async with opened(run.sampler):
            if run.journal.restored is None and (metrics := await run.evaluate(learner.model, 0)):
                run.journal.log(0, metrics)
            for step in run.journal.steps(self.steps):
                began = time.perf_counter()
                number = (step - 1) % self.generation_steps
                times: dict[str, float] = {}
                if number == 0:
                    lessons = update.measured(await collector.collect(step))
                    times = collector.times
                lesson = lessons[number % self.steps_per_generation]
                learner.begin(derived(run.seed, run.stage, "training", step))
                metrics = {**lesson.metrics, **update.learn(lesson.rows, step), **times}
                took = time.perf_counter() - began
                waited = times.get("time/sampling", 0.0) + times.get("time/rewards_wait", 0.0)
                metrics |= {"time/step": took, "time/training": took - waited}
                if self.ref_model_sync_steps and step % self.ref_model_sync_steps == 0:
                    update.refresh_reference()
                metrics |= await run.evaluate(learner.model, step, step == self.steps)
                run.journal.log(step, metrics)
                if run.journal.due(step, self.save_steps, self.steps):
                    unfinished = lessons if step % self.generation_steps else []
                    with run.journal.saving(step, step == self.steps) as directory:
                        kept = {"cursor": collector.cursor, "lessons": experience.plain(unfinished)}
                        learner.save(directory, kept | update.plain())
