"""The vendored corpora: other people's tests and outputs, judged as their labels say."""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Mapping
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


@pytest.fixture(scope="module")
def adversarial(judged_by_workers: Callable[[Mapping[str, tuple[str, str]]], dict[str, Score]]) -> dict[str, Score]:
    return judged_by_workers({item["id"]: (item["gold"], item["response"]) for item in items("adversarial_dev")})


@pytest.mark.parametrize("item", items("adversarial_dev"), ids=lambda item: item["id"])
def test_adversarial_answers_within_the_budget(item: dict[str, Any], adversarial: dict[str, Score]) -> None:
    score = adversarial[item["id"]]
    assert (score.value == 1) == item["correct"], score.reason
    assert "ground_truth" in score.evidence, score.reason  # it is the verifier that spoke
