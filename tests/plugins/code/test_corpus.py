"""The vendored corpus of labelled programs, run in Docker and judged as its labels say."""

import json
import lzma
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from guerdon import Mixture, Outcome, Rollout, Score, Task, Term
from guerdon_code import UnitTests

pytestmark = [pytest.mark.slow, pytest.mark.docker]

CORPUS = Path(__file__).parents[2] / "corpora" / "code" / "dev.jsonl.xz"


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    with lzma.open(CORPUS, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def scores(records: list[dict[str, Any]]) -> Mapping[str, Score]:
    rollouts = [Rollout(Task(one["id"], "", truth(one)), f"```\n{one['program']}\n```") for one in records]
    with Mixture([Term("code", UnitTests(sandbox={"use": "docker", "timeout": 10}))]) as mixture:
        totals = mixture.submit(rollouts).result(timeout=1200)
    return {one["id"]: total.terms["code"].score for one, total in zip(records, totals, strict=True)}


def truth(record: dict[str, Any]) -> dict[str, Any]:
    return {"kind": record["kind"], "language": record["language"], **record["tests"]}


def wrong(records: list[dict[str, Any]], scores: Mapping[str, Score]) -> dict[str, str]:
    """The verdicts that contradict their labels, with their reasons."""
    return {
        one["id"]: scores[one["id"]].reason
        for one in records
        if (scores[one["id"]].value, scores[one["id"]].outcome) != (float(one["should_pass"]), Outcome.SCORED)
    }


def test_the_agreement_is_what_is_claimed(records: list[dict[str, Any]], scores: Mapping[str, Score]) -> None:
    contradicted = wrong(records, scores)
    assert len(contradicted) <= 0.003 * len(records), contradicted


def test_no_honest_odd_program_is_failed(records: list[dict[str, Any]], scores: Mapping[str, Score]) -> None:
    odd = [one for one in records if one["source"] == "own-odd"]
    assert len(odd) > 10
    assert wrong(odd, scores) == {}


def test_nothing_that_is_wrong_is_paid(records: list[dict[str, Any]], scores: Mapping[str, Score]) -> None:
    assert wrong([one for one in records if not one["should_pass"]], scores) == {}


def test_no_program_is_taken_for_a_cheat(records: list[dict[str, Any]], scores: Mapping[str, Score]) -> None:
    assert [name for name, score in scores.items() if "cheat" in score.evidence] == []
