"""The body of a response, as the API describes it. A server may leave out anything, and some do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

GIVEN_UP = ("abort", "error", "insufficient_system_resource")
"""Reasons to finish that say something of the server only: vLLM's, and DeepSeek's."""


class Malformed(Exception):
    """An answer that is none."""


class TooLarge(Malformed):
    """An answer that nobody reads to its end."""


@dataclass(frozen=True)
class Message:
    """What one choice of an answer says, and why it ends there. `reasoning` is thinking that the server gives apart."""

    content: str
    reasoning: str | None
    finish_reason: str

    @property
    def truncated(self) -> bool:
        """Whether it was cut off at the most tokens that it may have."""
        return self.finish_reason == "length"


def choices_of(text: str) -> tuple[list[Mapping[str, Any]], Mapping[str, Any]]:
    """The choices in the body of a response, and all of it. Raises Malformed."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed(f"is no JSON: {text[:4096]}" if text.strip() else "is empty") from None
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices:
        raise Malformed("has no `choices`")
    if not all(isinstance(choice, dict) for choice in choices):
        raise Malformed("has a choice that is no object")
    return choices, body


def message_of(choice: Mapping[str, Any]) -> Message:
    """What a choice says, of a chat or of a text. Raises Malformed."""
    finish_reason = choice.get("finish_reason")
    if not isinstance(finish_reason, str):
        raise Malformed("has no `finish_reason`")
    if finish_reason in GIVEN_UP:
        raise Malformed(f"was given up: {finish_reason}")
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
    return Message(content or "", reasoning, finish_reason)
