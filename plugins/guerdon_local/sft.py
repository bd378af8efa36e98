"""Supervised fine-tuning: learn to say what demonstrations say."""

import asyncio
import time
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from guerdon import DataError, LiveModel, Run, Task, opened
from guerdon_local.training import GradientTrainer

if TYPE_CHECKING:
    from guerdon_local.batches import Row
    from guerdon_local.learner import Learner


class Sft(GradientTrainer):
    """Cross entropy on demonstrations: `task.metadata["completion"]` is what follows the prompt, without its end."""

    name: ClassVar[str] = "sft"

    steps: int | None = Field(None, gt=0)
    """Optimizer steps; unless set, what `epochs` come to."""

    epochs: float = Field(1.0, gt=0)
    """How often each demonstration is learnt from, where `steps` is not set. DeepSeek-R1: 2 to 3."""

    batch_size: int = Field(32, gt=0)
    """Demonstrations of one optimizer step."""

    learning_rate: float = Field(2e-5, gt=0)
    """The highest learning rate of AdamW. DeepSeek-R1's cold start goes from 5e-5 to 5e-6 (arXiv 2501.12948v2)."""

    max_length: int = Field(1024, gt=0)
    """Tokens of prompt and completion together; what is longer, or has no place in the model, is cut off at its end."""

    train_on_prompt: bool = False
    """Learn the prompt's tokens too, as a base model learns all of a text. Without it only the completion's count."""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.steps is not None and "epochs" in self.model_fields_set:
            raise ValueError("give `steps` or `epochs`, not both")
        return self

    def fit(self, run: Run) -> None:
        """Train for `steps`, or what an interruption has left of them."""
        asyncio.run(self._fit(run))

    async def _fit(self, run: Run) -> None:
        from contextlib import AsyncExitStack
        from itertools import islice

        from guerdon_local.learner import Learner
        from guerdon_local.seeds import derived, shuffled

        tasks = _demonstrations(run)
        total = self.steps or max(round(self.epochs * len(tasks) / self.batch_size), 1)
        learner = Learner(run, self, total)
        _check_end(learner.model)
        order = shuffled(len(tasks), run.seed, run.stage, run.journal.done * self.batch_size)
        async with AsyncExitStack() as life:
            if run.sampler is not None:
                await life.enter_async_context(opened(run.sampler))
            if run.journal.restored is None and (metrics := await run.evaluate(learner.model, 0)):
                run.journal.log(0, metrics)
            for step in run.journal.steps(total):
                began = time.perf_counter()
                rows = [self._row(learner, tasks[i]) for i in islice(order, self.batch_size)]
                learner.begin(derived(run.seed, run.stage, "training", step))
                metrics = self._learn(learner, rows, step)
                metrics["time/step"] = time.perf_counter() - began
                metrics |= await run.evaluate(learner.model, step, step == total)
                run.journal.log(step, metrics)
                if run.journal.due(step, self.save_steps, total):
                    with run.journal.saving(step, step == total) as directory:
                        learner.save(directory, {})

    def _row(self, learner: "Learner", task: Task) -> "Row":
        from guerdon_local.batches import Row
        from guerdon_local.sampler import prompt_ids, room
        from guerdon_local.tokenizer import unknown_text

        tokenizer = learner.model.tokenizer
        demonstration = task.metadata["completion"]
        if (piece := unknown_text(tokenizer, demonstration)) is not None:
            what = f"its demonstration holds {piece[:20]!r}, for which the tokenizer has no token"
            raise DataError(f"task '{task.id}'", what, "change it, or the policy's `vocabulary`")
        prompt = prompt_ids(tokenizer, task.prompt)
        completion = tokenizer.encode(demonstration, add_special_tokens=False)
        ids = [*prompt, *completion, tokenizer.eos_token_id][: min(self.max_length, room(learner.model))]
        # The first token is predicted from nothing.
        learnt_from = 1 if self.train_on_prompt else max(len(prompt), 1)
        return Row(ids[:learnt_from], ids[learnt_from:])

    def _learn(self, learner: "Learner", rows: "list[Row]", step: int) -> dict[str, float]:
        import torch

        from guerdon_local.batches import micro_batches
        from guerdon_local.logprobs import kept_logits

        tokens = sum(len(row.completion_ids) for row in rows)
        loss = torch.zeros((), device=learner.device)
        right = torch.zeros((), device=learner.device)
        for numbers in micro_batches(rows, self.tokens_per_micro_batch):
            batch = learner.collate([rows[i] for i in numbers])
            with learner.balancer.counting(batch.tokens):
                logits = kept_logits(learner.model.module, batch, bf16=self.bf16)
            surprise = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1), batch.targets.flatten(), reduction="none"
            )
            part = (surprise * batch.mask.flatten()).sum() / max(tokens, 1)
            part.backward()  # type: ignore[no-untyped-call]
            loss += part.detach()
            right += ((logits.argmax(-1) == batch.targets) * batch.mask).sum()
        metrics = {"loss": float(loss), **learner.step(step, float(loss))}
        metrics["accuracy"] = float(right) / max(tokens, 1)
        metrics["tokens"] = float(tokens)
        return metrics


def _check_end(model: LiveModel) -> None:
    if model.tokenizer.eos_token_id is None:
        what = "the tokenizer has no end token, so that a model could not learn where to end"
        raise DataError(str(model.tokenizer.name_or_path), what, "name one: `eos_token` in its tokenizer_config.json")


def _demonstrations(run: Run) -> list[Task]:
    assert run.tasks is not None
    where = f"tasks of the stage '{run.stage}'"
    tasks = list(run.tasks)
    if not tasks:
        raise DataError(where, "there are none", "look at the options of the tasks")
    for task in tasks:
        if not isinstance(task.metadata.get("completion"), str):
            what = "has no demonstration: its metadata has no text under `completion`"
            raise DataError(f"{where}: '{task.id}'", what, "use tasks that have one, or the trainer `grpo`")
    return tasks
