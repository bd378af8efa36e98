"""What both rewards of this package have in common: from a logit to a value, and what has none."""

import math
from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from guerdon import BadGroundTruth, Reward, Rollout, Score
from guerdon_preference.conversation import Conversation, Written

TRANSFORMERS: Mapping[str, str] = {"transformers": "pip install 'guerdon[local]'"}
"""What a plug that reads a tokenizer `needs`."""
HARMLESS = "I do not know."
"""What every reward model has a score for."""


class LogitReward(Reward):
    """A reward that is made of a reward model's logit: clip(scale × (logit − length_penalty × tokens) + shift)."""

    model_based: ClassVar[bool] = True

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

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not (math.isfinite(self.scale) and math.isfinite(self.shift) and math.isfinite(self.length_penalty)):
            what = "scale, shift and length_penalty are finite numbers"
        elif not (math.isfinite(self.clip[0]) and math.isfinite(self.clip[1]) and self.clip[0] < self.clip[1]):
            what = "clip: two finite numbers, the smaller one first"
        else:
            return self
        raise PydanticCustomError("preference", "{what}", {"what": what})

    def shown(self, rollout: Rollout) -> str:
        """What of a rollout is read."""
        return rollout.answer if self.scope == "answer" else rollout.text

    def longest(self, conversation: Conversation) -> int:
        """How many tokens are read at most."""
        return min(self.max_length, conversation.longest)

    def worth(self, rollout: Rollout, read: Written, logit: float) -> Score:
        """The score for a finite logit. An empty answer earns the lowest."""
        evidence = {"logit": logit}
        # The model is asked about an empty answer too: a broken one must not blame others.
        if not self.shown(rollout).strip():
            return self.lowest(read, f"there is no {self.scope}", **evidence)
        bare = self.scale * (logit - self.length_penalty * read.tokens) + self.shift
        value = min(max(bare, self.clip[0]), self.clip[1])
        clipped = f", clipped from {bare:.4g}" if value != bare else ""
        return Score(value, f"logit {logit:.4g} for {read.tokens} tokens{clipped}", evidence=_facts(read, **evidence))

    def too_long(self, rollout: Rollout, conversation: Conversation, read: Written) -> Score:
        """The score of an answer that does not fit. Raises BadGroundTruth where the prompt does not fit by itself."""
        longest, alone = self.longest(conversation), len(conversation.written(rollout.task, "").ids)
        if alone > longest:
            raise BadGroundTruth(f"the prompt has {alone} tokens, and the reward model reads {longest}")
        return self.lowest(read, f"{len(read.ids)} tokens with the prompt, and {longest} are read", too_long=True)

    def lowest(self, read: Written, why: str, **evidence: float | bool) -> Score:
        """The least that an answer can earn."""
        return Score(self.clip[0], f"the lowest: {why}", evidence=_facts(read, **evidence))


def _facts(read: Written, **more: float | bool) -> dict[str, float | bool | str]:
    facts: dict[str, float | bool | str] = {"tokens": read.tokens, "too_long": False, **more}
    return {**facts, "cheat": "special tokens in the text"} if read.forged else facts
