"""The vendored corpora, as tasks and rollouts. Their sources and licences stand beside them."""

import gzip
import json
from pathlib import Path
from typing import Any

from guerdon import Rollout, Task

CORPORA = Path(__file__).parents[1] / "corpora"


def load(name: str) -> list[dict[str, Any]]:
    """The items of one corpus, as in "math/dev"."""
    with gzip.open(CORPORA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def math_rollout(item: dict[str, Any]) -> Rollout:
    """An item of the math corpora."""
    return Rollout(Task(item["id"], item.get("question") or "", item["gold"], "math"), item["response"])


def language_rollout(item: dict[str, Any]) -> Rollout:
    """An item of the language corpus: all of its text is chain of thought."""
    return Rollout(Task(item["id"], "", language=item["target"]), f"<think>{item['text']}</think>")
