"""The APIs that serve reward models: what each is asked, and the logit in its answer."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from guerdon.endpoints import Malformed
from guerdon_preference.conversation import Written

Api = Literal["vllm", "openrlhf"]


@dataclass(frozen=True)
class Served:
    """`body`: for the model of this name, and a text. `logits`: where in an answer they are; raises LookupError."""

    path: str
    body: Callable[[str, Written], Mapping[str, Any]]
    logits: Callable[[Any], Any]

    def read(self, text: str) -> tuple[float, int | None]:
        """The logit, not finite where the model found none, and the tokens that were read. Raises Malformed."""
        try:
            answer = json.loads(text)
        except (ValueError, RecursionError):
            raise Malformed(f"is no JSON: {text[:4096]}" if text.strip() else "is empty") from None
        try:
            logits = self.logits(answer)
        except (LookupError, TypeError):
            raise Malformed(f"is not that of {self.path}: {text[:4096]}") from None
        if not isinstance(logits, list) or len(logits) != 1:
            count = len(logits) if isinstance(logits, list) else type(logits).__name__
            raise Malformed(f"gives {count} for a text, and that of a reward model is a list of one number")
        usage = answer.get("usage")
        used = usage.get("total_tokens") if isinstance(usage, dict) else None
        return _number(logits[0]), used if isinstance(used, int) and used > 0 else None


SERVED: Mapping[Api, Served] = {
    "vllm": Served(
        "/classify",
        lambda model, read: {"model": model, "input": [*read.ids], "use_activation": False},
        lambda answer: answer["data"][0]["probs"],
    ),
    "openrlhf": Served("/get_reward", lambda _, read: {"query": [read.text]}, lambda answer: answer["rewards"]),
}


def _number(logit: Any) -> float:
    if logit is None:
        return math.nan  # what servers make of it in JSON
    if isinstance(logit, bool) or not isinstance(logit, int | float):
        raise Malformed(f"gives a logit that is no number: {json.dumps(logit)[:100]}")
    try:
        return float(logit)
    except OverflowError:
        return math.inf
