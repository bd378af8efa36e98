"""What an OpenAI-compatible endpoint answers, as completions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from guerdon.endpoints import choices_of, message_of


@dataclass(frozen=True)
class Answer:
    """One completion, as plain data. The last three where the server gives them."""

    completion: str
    truncated: bool
    prompt_ids: Sequence[int] | None = None
    completion_ids: Sequence[int] | None = None
    logprobs: Sequence[float] | None = None


def answers_of(text: str) -> tuple[list[Answer], int | None]:
    """The completions in the body of a response, and how many tokens were used. Raises Malformed."""
    choices, body = choices_of(text)
    usage = body.get("usage")
    used = usage.get("total_tokens") if isinstance(usage, dict) else None
    return [_answer(choice, body) for choice in choices], used if isinstance(used, int) else None


def _answer(choice: Mapping[str, Any], body: Mapping[str, Any]) -> Answer:
    message = message_of(choice)
    ids = choice.get("token_ids")
    logprobs = _logprobs(choice.get("logprobs"))
    if ids is not None and logprobs is not None and len(ids) != len(logprobs):
        logprobs = None
    if ids is None and message.reasoning:
        logprobs = None  # whether they are of the thinking too, nobody says
    prompt_ids = choice.get("prompt_token_ids") or body.get("prompt_token_ids")
    completion = _folded(message.reasoning, message.content, message.truncated)
    return Answer(completion, message.truncated, prompt_ids, ids, logprobs)


def _folded(reasoning: str | None, content: str, truncated: bool) -> str:
    """Thinking that comes apart from the answer, where the model wrote it; left open if it was cut off."""
    if not reasoning:
        return content
    return f"<think>{reasoning}" if truncated and not content else f"<think>{reasoning}</think>{content}"


def _logprobs(value: Any) -> list[float] | None:
    """Of a chat's `content`, or of a text's `token_logprobs`; None if one of them is missing."""
    if not isinstance(value, dict):
        return None
    found: Any
    tokens = value.get("content")
    if isinstance(tokens, list):
        found = [one.get("logprob") if isinstance(one, dict) else None for one in tokens]
    else:
        found = value.get("token_logprobs")
    if not isinstance(found, list) or not found:
        return None
    return [float(one) for one in found] if all(isinstance(one, int | float) for one in found) else None
