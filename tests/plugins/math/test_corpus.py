"""The vendored corpora: other people's tests and outputs, judged as their labels say."""

import gzip
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from guerdon import Rollout, Score, Task
from guerdon_math import BoxedMath

CORPUS = Path(__file__).parents[2] / "corpora" / "math"


def items(name: str) -> list[dict[str, Any]]:
    with gzip.open(CORPUS / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def judged(item: dict[str, Any]) -> Score:
    return BoxedMath().verify(Rollout(Task(item["id"], "", item["gold"]), item["response"]))


@pytest.fixture(scope="module")
def core() -> list[tuple[dict[str, Any], bool]]:
    return [(item, judged(item).value == 1) for item in items("dev") if not item.get("policy")]


def test_the_accuracy_is_what_is_claimed(core: list[tuple[dict[str, Any], bool]]) -> None:
    right = sum(equal == item["correct"] for item, equal in core)
    assert right / len(core) >= 0.99


def test_wrong_answers_are_not_paid(core: list[tuple[dict[str, Any], bool]]) -> None:
    paid = [item["id"] for item, equal in core if equal and not item["correct"]]
    assert len(paid) <= 0.002 * sum(not item["correct"] for item, _ in core)


def test_no_kind_is_left_behind(core: list[tuple[dict[str, Any], bool]]) -> None:
    total, right = Counter[str](), Counter[str]()
    for item, equal in core:
        total[item["kind"]] += 1
        right[item["kind"]] += equal == item["correct"]
    assert {kind for kind in total if total[kind] > 20 and right[kind] / total[kind] < 0.93} == set()


@pytest.mark.parametrize("item", items("adversarial_dev"), ids=lambda item: item["id"])
def test_adversarial_answers(item: dict[str, Any]) -> None:
    start = time.process_time()
    assert (judged(item).value == 1) == item["correct"]
    assert time.process_time() - start < item["max_seconds"]
