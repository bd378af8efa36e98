"""Reward models: learn which of two answers is preferred, or whether one is safe."""

import time
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from guerdon import Run
from guerdon_local.pairs import Loss
from guerdon_local.training import GradientTrainer

if TYPE_CHECKING:
    from torch import Tensor

    from guerdon_local.learner import Learner
    from guerdon_local.pairs import Example


class Preference(GradientTrainer):
    """Makes a causal language model a reward model: a sequence classifier with one label, for `preference-model`.

    - `pairwise`: −log σ(chosen − rejected), the model of Bradley and Terry, as DeepSeek-R1's helpfulness model (arXiv
      2501.12948v2, supplement). A task's `metadata` has `chosen` and `rejected`.
    - `pointwise`: binary cross entropy of σ(score), as R1's safety model (the same). A task's `metadata` has
      `completion` and `safe`, which is true or false.

    A checkpoint is a Hugging Face directory. Metrics `eval/…` are of examples that are not learnt from: accuracy, the
    calibration of σ(margin), and the rank correlation of scores with the length of the answer.
    """

    name: ClassVar[str] = "preference"

    loss: Loss = "pairwise"
    """What is learnt from: pairs of answers, or single ones."""

    steps: int | None = Field(None, gt=0)
    """Optimizer steps; unless set, what `epochs` come to."""

    epochs: float = Field(1.0, gt=0)
    """How often each example is learnt from, where `steps` is not set. DeepSeek-R1: 1."""

    batch_size: int = Field(256, gt=0)
    """Pairs or single answers of one optimizer step. DeepSeek-R1: 256."""

    learning_rate: float = Field(6e-6, gt=0)
    """The highest learning rate of AdamW. DeepSeek-R1: 6e-6 (arXiv 2501.12948v2)."""

    max_length: int = Field(8192, gt=0)
    """Tokens of a prompt and an answer together, as DeepSeek-R1 trained with. Nothing is cut off: an example that has
    more, or has no place in the model, is left out."""

    held_out: float = Field(0.1, ge=0, lt=1)
    """The share of the prompts, chosen by their hashes, whose examples are not learnt from but tried on."""

    eval_steps: int = Field(100, ge=0)
    """Try the held-out examples every so many steps, and always at the end; 0 for the end only."""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.steps is not None and "epochs" in self.model_fields_set:
            raise ValueError("give `steps` or `epochs`, not both")
        return self

    def fit(self, run: Run) -> None:
        """Train for `steps`, or what an interruption has left of them."""
        from itertools import islice

        from guerdon_local.learner import Learner
        from guerdon_local.pairs import examples
        from guerdon_local.sampler import room
        from guerdon_local.seeds import derived, shuffled

        learner = Learner(run, self, self.steps or 1, scores=True)
        longest = min(self.max_length, room(learner.model))
        learnt, held_out = examples(run, learner.model.tokenizer, self.loss, self.held_out, longest)
        total = self.steps or max(round(self.epochs * len(learnt) / self.batch_size), 1)
        learner.optimizer.total = total  # how many there are is known only now
        order = shuffled(len(learnt), run.seed, run.stage, run.journal.done * self.batch_size)
        for step in run.journal.steps(total):
            began = time.perf_counter()
            learner.begin(derived(run.seed, run.stage, "training", step))
            metrics = self._learn(learner, [learnt[i] for i in islice(order, self.batch_size)], step)
            metrics["time/step"] = time.perf_counter() - began
            if held_out and (step == total or (self.eval_steps and step % self.eval_steps == 0)):
                metrics |= self._tried(learner, held_out)
            run.journal.log(step, metrics)
            if run.journal.due(step, self.save_steps, total):
                with run.journal.saving(step, step == total) as directory:
                    learner.save(directory, {})

    def _learn(self, learner: "Learner", examples: "list[Example]", step: int) -> dict[str, float]:
        import torch

        from guerdon_local.batches import micro_batches

        loss = torch.zeros((), device=learner.device)
        right = 0
        for numbers in micro_batches(examples, self.tokens_per_micro_batch):
            some = [examples[i] for i in numbers]
            margins, _ = self._margins(learner, some)
            wanted = torch.tensor([float(one.safe) for one in some], device=learner.device)
            surprise = torch.nn.functional.binary_cross_entropy_with_logits(margins, wanted, reduction="sum")
            part = surprise / len(examples)
            part.backward()  # type: ignore[no-untyped-call]
            loss += part.detach()
            right += int(((margins > 0) == (wanted > 0)).sum())
        metrics = {"loss": float(loss), **learner.step(step, float(loss))}
        metrics["accuracy"] = right / len(examples)
        metrics["tokens"] = float(sum(len(text) for one in examples for text in one.texts))
        return metrics

    def _margins(self, learner: "Learner", examples: "list[Example]") -> "tuple[Tensor, Tensor]":
        """[examples], by how much the first text of each is better, or its score; and [texts], all scores."""
        from guerdon_local.scoring import scores

        found = scores(learner, [text for one in examples for text in one.texts])
        if self.loss == "pointwise":
            return found, found
        chosen, rejected = found.view(-1, 2).unbind(1)
        return chosen - rejected, found

    def _tried(self, learner: "Learner", examples: "list[Example]") -> dict[str, float]:
        """Metrics of examples that are not learnt from."""
        import torch

        from guerdon_local.batches import micro_batches
        from guerdon_local.calibration import report

        margins = [0.0] * len(examples)
        by_length: list[tuple[float, int]] = []
        learner.model.module.eval()
        with torch.no_grad():
            for numbers in micro_batches(examples, self.tokens_per_micro_batch):
                some = [examples[i] for i in numbers]
                found, scored = self._margins(learner, some)
                for number, margin in zip(numbers, found.tolist(), strict=True):
                    margins[number] = margin
                by_length += zip(scored.tolist(), (length for one in some for length in one.lengths), strict=True)
        return report(margins, [one.safe for one in examples], by_length)
