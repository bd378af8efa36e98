"""The reward `preference-model`: a sequence classifier in a process of its own says what answers are worth."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from guerdon import BadGroundTruth, Budget, GuerdonError, Outcome, Reward, Rollout, Score
from guerdon_preference.conversation import Written

if TYPE_CHECKING:
    from guerdon_preference.classifier import Classifier

HARMLESS = "I do not know."
"""What every reward model has a score for."""


class PreferenceModel(Reward):
    """What a reward model thinks of an answer: clip(scale × (logit − length_penalty × tokens) + shift).

    Any sequence classifier of Hugging Face with one label, also one that OpenRLHF has trained. It reads prompt and
    answer in its tokenizer's chat template, or one after the other where there is none. Special tokens in an answer are
    text like any other.

    Nothing is cut: an answer that does not fit beside its prompt earns the lowest value, and so does an empty one. A
    prompt that does not fit by itself is no score. If the logit is no finite number, a harmless answer is tried: where
    that has one, the answer did it, and earns the lowest value; else the model is `unavailable`.
    """

    name: ClassVar[str] = "preference-model"
    model_based: ClassVar[bool] = True
    isolation = "resident"
    budget: ClassVar[Budget] = Budget(cpu_seconds=86_400.0, wall_seconds=3600.0)
    needs: ClassVar[Mapping[str, str]] = {
        "torch": "pip install 'guerdon[local]'",
        "transformers": "pip install 'guerdon[local]'",
    }

    model: str = Field(min_length=1)
    """A checkpoint directory, or a name on the Hugging Face hub, which is downloaded once."""
    scope: Literal["answer", "completion"] = "answer"
    """What it reads: what follows the thinking, as DeepSeek-R1's helpfulness model, or all of it, as R1's safety model
    (arXiv 2501.12948v1, section 2.3.4)."""
    scale: float = Field(1.0, gt=0)
    """What a logit is multiplied by."""
    shift: float = 0.0
    """What is added after that."""
    clip: tuple[float, float] = (-10.0, 10.0)
    """The lowest and the highest value."""
    length_penalty: float = Field(0.0, ge=0)
    """What is taken from a logit for each token of the answer, for a model that likes long ones."""
    max_length: int = Field(8192, gt=0)
    """Tokens of prompt and answer together that are read; fewer where the model has no place for them."""
    tokens_per_batch: int = Field(16_384, gt=0)
    """Tokens, with padding, of one forward pass."""
    bf16: bool = False
    """Compute in bfloat16, in half of the memory."""
    device: str = "auto"
    """Where it runs, as torch names it: `cpu`, `cuda:1`; by itself a GPU if there is one."""

    _live: "Classifier | None" = PrivateAttr(None)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not (math.isfinite(self.scale) and math.isfinite(self.shift) and math.isfinite(self.length_penalty)):
            what = "scale, shift and length_penalty are finite numbers"
        elif not (math.isfinite(self.clip[0]) and math.isfinite(self.clip[1]) and self.clip[0] < self.clip[1]):
            what = "clip: two finite numbers, the smaller one first"
        else:
            return self
        raise PydanticCustomError("preference", "{what}", {"what": what})

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
        read = [live.conversation.written(rollout.task, self._shown(rollout)) for rollout in rollouts]
        fits = [len(one.ids) <= self._longest for one in read]
        logits = iter(live.logits([one.ids for one, fit in zip(read, fits, strict=True) if fit], self.tokens_per_batch))
        return [
            self._score(rollout, one, next(logits)) if fit else self._too_long(rollout, one)
            for rollout, one, fit in zip(rollouts, read, fits, strict=True)
        ]

    @property
    def _opened(self) -> "Classifier":
        if self._live is None:
            raise GuerdonError(f"reward '{self.name}'", "is not open", "use it inside `async with guerdon.opened(…)`")
        return self._live

    @property
    def _longest(self) -> int:
        return min(self.max_length, self._opened.longest)

    def _shown(self, rollout: Rollout) -> str:
        return rollout.answer if self.scope == "answer" else rollout.text

    def _score(self, rollout: Rollout, read: Written, logit: float) -> Score:
        if not math.isfinite(logit):
            logit = self._alone(read)
        if not math.isfinite(logit):
            if not math.isfinite(self._alone(self._opened.conversation.written(rollout.task, HARMLESS))):
                return Score(None, "the model has no finite logit, not even for a harmless answer", Outcome.UNAVAILABLE)
            return self._lowest(read, "the logit is no finite number, while a harmless answer's is")
        evidence = {"logit": logit}
        # The model is asked about an empty answer too: a broken one must not blame others.
        if not self._shown(rollout).strip():
            return self._lowest(read, f"there is no {self.scope}", **evidence)
        bare = self.scale * (logit - self.length_penalty * read.tokens) + self.shift
        value = min(max(bare, self.clip[0]), self.clip[1])
        clipped = f", clipped from {bare:.4g}" if value != bare else ""
        return Score(value, f"logit {logit:.4g} for {read.tokens} tokens{clipped}", evidence=_facts(read, **evidence))

    def _too_long(self, rollout: Rollout, read: Written) -> Score:
        alone = len(self._opened.conversation.written(rollout.task, "").ids)
        if alone > self._longest:
            raise BadGroundTruth(f"the prompt has {alone} tokens, and the reward model reads {self._longest}")
        return self._lowest(
            read, f"{len(read.ids)} tokens with the prompt, and {self._longest} are read", too_long=True
        )

    def _lowest(self, read: Written, why: str, **evidence: float | bool) -> Score:
        return Score(self.clip[0], f"the lowest: {why}", evidence=_facts(read, **evidence))

    def _alone(self, read: Written) -> float:
        return self._opened.logits([read.ids], self.tokens_per_batch)[0]


def _facts(read: Written, **more: float | bool) -> dict[str, float | bool | str]:
    facts: dict[str, float | bool | str] = {"tokens": read.tokens, "too_long": False, **more}
    return {**facts, "cheat": "special tokens in the text"} if read.forged else facts
