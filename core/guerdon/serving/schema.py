"""What `/score` takes and gives, for its page of documentation and for whoever writes a client."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from guerdon.columns import ROLLOUT_COLUMNS

REQUEST: dict[str, Any] = {
    "type": "object",
    "required": ["rollouts"],
    "properties": {
        "rollouts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["prompt", "completion"],
                "properties": {name: {"description": text} for name, text in ROLLOUT_COLUMNS.items()},
            },
        }
    },
}
"""The JSON Schema of a request."""


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)


class TermVerdict(_Said):
    """What one reward said of a rollout."""

    value: float | None
    """None for no score."""
    reason: str
    """For a person to read."""
    outcome: str
    """`scored`, `not_applicable`, `bad_ground_truth`, `unavailable` or `verifier_error`."""
    seconds: float
    """Of the judging, by the clock."""
    queued_seconds: float
    """Of waiting for it."""
    evidence: dict[str, Any]
    """For those who want to look closer."""


class Verdict(_Said):
    """What the mixture said of a rollout."""

    score: float | None
    """The total; None for no score."""
    outcome: str
    """As of a term; whatever is not `scored` has no score."""
    reason: str
    """How the total came about."""
    terms: dict[str, TermVerdict]
    """By name."""


class Scores(_Said):
    """The answer of `/score`."""

    scores: list[Verdict]
    """One for each rollout, in order."""


class Mistake(_Said):
    """One reason for a refusal."""

    kind: str
    """`RewardBroken` where a reward fails on most tasks; `Full` where there is no room; and others."""
    where: str
    """Such as `rollouts[3]`."""
    what: str
    """The fact."""
    way_out: str
    """What to do."""


class Errors(BaseModel):
    """Any other answer than scores."""

    errors: list[Mistake]
    """At least one."""
