"""What an OpenAI-compatible endpoint answers, as completions. A server may leave out anything, and some do."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GIVEN_UP = ("abort", "error", "insufficient_system_resource")
"""Reasons to finish that say something of the server only: vLLM's, and DeepSeek's."""


class Malformed(Exception):
    """An answer that is no completion."""


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
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed(f"is no JSON: {text[:4096]}" if text.strip() else "is empty") from None
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices:
        raise Malformed("has no `choices`")
    usage = body.get("usage")
    used = usage.get("total_tokens") if isinstance(usage, dict) else None
    return [_answer(choice, body) for choice in choices], used if isinstance(used, int) else None


def _answer(choice: Any, body: Mapping[str, Any]) -> Answer:
    if not isinstance(choice, dict):
        raise Malformed("has a choice that is no object")
    finish_reason = choice.get("finish_reason")
    if not isinstance(finish_reason, str):
        raise Malformed("has no `finish_reason`")
    if finish_reason in GIVEN_UP:
        raise Malformed(f"was given up: {finish_reason}")
    truncated = finish_reason == "length"
    if "text" in choice:
        content, reasoning = choice["text"], None
    else:
        message = choice.get("message")
        if not isinstance(message, dict):
            raise Malformed("has neither `message` nor `text`")
        content = message.get("content")
        # DeepSeek's name, and the one that vLLM has come to use
        reasoning = message.get("reasoning_content") or message.get("reasoning")
    if not isinstance(content, str | None) or not isinstance(reasoning, str | None):
        raise Malformed("has a content that is no text")
    ids = choice.get("token_ids")
    logprobs = _logprobs(choice.get("logprobs"))
    if ids is not None and logprobs is not None and len(ids) != len(logprobs):
        logprobs = None
    if ids is None and reasoning:
        logprobs = None  # whether they are of the thinking too, nobody says
    prompt_ids = choice.get("prompt_token_ids") or body.get("prompt_token_ids")
    return Answer(_folded(reasoning, content or "", truncated), truncated, prompt_ids, ids, logprobs)


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
