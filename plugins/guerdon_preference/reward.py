"""The reward `preference-model`: a sequence classifier in a process of its own says what answers are worth."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, PrivateAttr

from guerdon import Budget, GuerdonError, Outcome, Rollout, Score
from guerdon_preference.conversation import Written
from guerdon_preference.logit import HARMLESS, TRANSFORMERS, LogitReward

if TYPE_CHECKING:
    from guerdon_preference.classifier import Classifier


class PreferenceModel(LogitReward):
    """What a reward model thinks of an answer: clip(scale × (logit − length_penalty × tokens) + shift).

    Any sequence classifier of Hugging Face with one label, also one that OpenRLHF has trained. It reads prompt and
    answer in its tokenizer's chat template, or one after the other where there is none. Special tokens in an answer are
    text like any other.

    Nothing is cut: an answer that does not fit beside its prompt earns the lowest value, and so does an empty one. A
    prompt that does not fit by itself is no score. If the logit is no finite number, a harmless answer is tried: where
    that has one, the answer did it, and earns the lowest value; else the model is `unavailable`.
    """

    name: ClassVar[str] = "preference-model"
    isolation = "resident"
    budget: ClassVar[Budget] = Budget(cpu_seconds=86_400.0, wall_seconds=3600.0)
    needs: ClassVar[Mapping[str, str]] = {"torch": "pip install 'guerdon[local]'", **TRANSFORMERS}

    model: str = Field(min_length=1)
    """A checkpoint directory, or a name on the Hugging Face hub, which is downloaded once."""
    tokens_per_batch: int | None = Field(None, gt=0)
    """Tokens, with padding, of one forward pass; unless set 16,384 on a GPU, and 2,048 on a CPU, where more are slower:
    they leave its caches."""
    bf16: bool = False
    """Compute in bfloat16, in half of the memory."""
    device: str = "auto"
    """Where it runs, as torch names it: `cpu`, `cuda:1`; by itself a GPU if there is one."""

    _live: "Classifier | None" = PrivateAttr(None)

    async def open(self) -> None:
        """Load the model. Raises DataError for what is no reward model."""
        from guerdon_preference.classifier import load

        self._live = load(self.model, bf16=self.bf16, device=self.device)

    async def close(self) -> None:
        """Forget it."""
        self._live = None

    async def score(self, rollouts: Sequence[Rollout]) -> list[Score]:
        """One score for each rollout, in order. Raises BadGroundTruth for a prompt that cannot be read."""
        live = self._opened
        read = [live.conversation.written(rollout.task, self.shown(rollout)) for rollout in rollouts]
        fits = [len(one.ids) <= self.longest(live.conversation) for one in read]
        logits = iter(live.logits([one.ids for one, fit in zip(read, fits, strict=True) if fit], self.tokens_per_batch))
        return [
            self._score(rollout, one, next(logits)) if fit else self.too_long(rollout, live.conversation, one)
            for rollout, one, fit in zip(rollouts, read, fits, strict=True)
        ]

    @property
    def _opened(self) -> "Classifier":
        if self._live is None:
            raise GuerdonError(f"reward '{self.name}'", "is not open", "use it inside `async with guerdon.opened(…)`")
        return self._live

    def _score(self, rollout: Rollout, read: Written, logit: float) -> Score:
        if not math.isfinite(logit):
            logit = self._alone(read)
        if math.isfinite(logit):
            return self.worth(rollout, read, logit)
        if not math.isfinite(self._alone(self._opened.conversation.written(rollout.task, HARMLESS))):
            return Score(None, "the model has no finite logit, not even for a harmless answer", Outcome.UNAVAILABLE)
        return self.lowest(read, "the logit is no finite number, while a harmless answer's is")

    def _alone(self, read: Written) -> float:
        return self._opened.logits([read.ids], self.tokens_per_batch)[0]
