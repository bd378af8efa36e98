"""The vendored corpora, as tasks and rollouts. Their sources and licences stand beside them."""

import gzip
import json
import lzma
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from guerdon import Rollout, Task

CORPORA = Path(__file__).parents[1] / "corpora"
ATTACKS = Path(__file__).parents[1] / "plugins" / "code" / "test_attacks.py"
OPENERS: Mapping[str, Callable[..., Any]] = {"": open, ".gz": gzip.open, ".xz": lzma.open}


def load(name: str) -> list[dict[str, Any]]:
    """The items of one corpus, as in "math/dev"."""
    for suffix, opener in OPENERS.items():
        path = CORPORA / f"{name}.jsonl{suffix}"
        if path.exists():
            with opener(path, mode="rt", encoding="utf-8") as file:
                return [json.loads(line) for line in file]
    raise FileNotFoundError(CORPORA / f"{name}.jsonl")


def attacks() -> list[dict[str, Any]]:
    """The corpus of attacks and our own ones, as the tests have them, each with its class."""
    found = runpy.run_path(str(ATTACKS))["ATTACKS"]
    return [{"class": item["id"].partition("_")[0], **item} for item in found]


def math_rollout(item: dict[str, Any]) -> Rollout:
    """An item of the math corpora."""
    return Rollout(Task(item["id"], item.get("question") or "", item["gold"], "math"), item["response"])


def language_rollout(item: dict[str, Any]) -> Rollout:
    """An item of the language corpus: all of its text is chain of thought."""
    return Rollout(Task(item["id"], "", language=item["target"]), f"<think>{item['text']}</think>")


def code_rollout(item: Mapping[str, Any]) -> Rollout:
    """An item of the code corpora, its program in a fence as a model would write it."""
    truth = {"kind": item["kind"], "language": item["language"], **item["tests"]}
    return Rollout(Task(item.get("id", ""), "", truth, "code"), f"```{item['language']}\n{item['program']}\n```")


def group_rollout(item: dict[str, Any]) -> Rollout:
    """A completion of a real model."""
    return Rollout(Task(item["group"], item["prompt"], item["ground_truth"], item["domain"]), item["completion"])
