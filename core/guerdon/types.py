"""What travels: tasks in, rollouts through, scores out. Plain frozen dataclasses."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeAlias

Prompt: TypeAlias = str | Sequence[Mapping[str, Any]]
"""Plain text, or chat messages: mappings with `role` and `content`."""

OPEN, CLOSE = "<think>", "</think>"


@dataclass(frozen=True)
class Task:
    """A question, and what a verifier needs to know about it.

    `ground_truth` and `metadata` are JSON values. `domain` routes the task to rewards; `language` is an ISO 639-1 code.
    """

    id: str
    prompt: Prompt
    ground_truth: Any = None
    domain: str | None = None
    language: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Rollout:
    """One completion of a task's prompt.

    `truncated`: the sampler stopped it at the length limit. `prefill`: what the template had already written at the
    head of the completion, such as `<think>`. The last three are known only to some samplers: `prompt_ids` and
    `completion_ids` are token ids, `logprobs` the natural log-probability of each completion token as it was sampled.
    """

    task: Task
    completion: str
    truncated: bool = False
    prefill: str = ""
    prompt_ids: Sequence[int] | None = None
    completion_ids: Sequence[int] | None = None
    logprobs: Sequence[float] | None = None

    @property
    def text(self) -> str:
        """Prefill and completion together."""
        return self.prefill + self.completion

    @property
    def thinking(self) -> str:
        """What was thought before the last `</think>`, or all of it where that never came; "" without think tags."""
        return self._parts[0]

    @property
    def answer(self) -> str:
        """What follows the last `</think>`; all of the text without think tags; "" when a `<think>` is left open."""
        return self._parts[1]

    @cached_property
    def _parts(self) -> tuple[str, str]:
        text = self.text
        before, closed, after = text.rpartition(CLOSE)
        if OPEN in after:
            return text.partition(OPEN)[2], ""
        if not closed:
            return ("", text) if not prompt_opens_thinking(self.task.prompt) else (text, "")
        # A </think> that was never opened: the template had opened it.
        head, opened, thinking = before.partition(OPEN)
        return (thinking if opened else head), after


def prompt_opens_thinking(prompt: Prompt) -> bool:
    """Whether a prompt ends in `<think>`, so that the completion begins inside the thinking part."""
    if isinstance(prompt, str):
        return prompt.rstrip().endswith(OPEN)
    if not prompt:
        return False
    last = prompt[-1].get("content")
    return isinstance(last, str) and last.rstrip().endswith(OPEN)


class Outcome(StrEnum):
    """What became of a judging. Only `scored` carries a number: zero says "wrong", no score says "nobody can tell"."""

    SCORED = "scored"
    NOT_APPLICABLE = "not_applicable"
    """The term is not for this task's domain. Only the mixture says so."""
    BAD_GROUND_TRUTH = "bad_ground_truth"
    """The task's own truth cannot be judged by this verifier."""
    UNAVAILABLE = "unavailable"
    """The world was at fault: an endpoint, a sandbox, an engine."""
    VERIFIER_ERROR = "verifier_error"
    """The verifier fails even on a control."""


@dataclass(frozen=True)
class Score:
    """What a reward says of one rollout, and why.

    `value` is a finite number, or None for no score. `evidence` is a JSON object for those who want to look closer; its
    key `cheat` says how a completion tried to be paid for something else than solving the task. Runs count those.
    """

    value: float | None
    reason: str
    outcome: Outcome = Outcome.SCORED
    evidence: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.value is None) != (self.outcome is not Outcome.SCORED):
            raise ValueError(f"a score of {self.value} cannot have the outcome {self.outcome}")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"{self.value} is no score: only finite numbers are")
