"""The soft overlong punishment of DAPO."""

from typing import Literal, Self

from pydantic import Field, model_validator

from guerdon import Rollout, Score, Unavailable, Verifier


class Overlong(Verifier):
    """0 for a completion that is short enough, falling to -1 as it approaches the longest that is allowed.

    With the length l: 0 up to max_length - buffer, then (max_length - buffer - l) / buffer, and -1 beyond max_length:
    soft overlong punishment, DAPO (arXiv 2503.14476, equation 13), where max_length is L_max and buffer L_cache.
    Between -1 and 0. Prefill is not counted. A completion without token ids cannot be measured in tokens: no score.
    """

    name = "overlong"
    isolation = "inline"

    max_length: int = Field(gt=0)
    """The length from which the punishment is whole, in `unit`."""

    buffer: int = Field(ge=0)
    """How long before `max_length` the punishment begins, in `unit`; 0 for a step from 0 to -1 beyond `max_length`."""

    unit: Literal["tokens", "characters"] = "tokens"
    """What is counted: token ids as they were sampled, or Unicode characters."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.buffer > self.max_length:
            raise ValueError(f"buffer is {self.buffer}, more than max_length, which is {self.max_length}")
        return self

    def verify(self, rollout: Rollout) -> Score:
        """Measure and compare."""
        length = self._length(rollout)
        over = length - (self.max_length - self.buffer)
        if over <= 0:
            return Score(0.0, f"{length} {self.unit}, free up to {self.max_length - self.buffer}")
        if length > self.max_length:
            return Score(-1.0, f"{length} {self.unit}, more than {self.max_length}")
        return Score(-over / self.buffer, f"{length} {self.unit}, {over} of {self.buffer} into the buffer")

    def _length(self, rollout: Rollout) -> int:
        if self.unit == "characters":
            return len(rollout.completion)
        if rollout.completion_ids is None:
            raise Unavailable('the rollout has no completion_ids; keep them when sampling, or set unit = "characters"')
        return len(rollout.completion_ids)
