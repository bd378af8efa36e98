"""Tables of ground truths and answers, by kind: `gold ≡ answer` must be equal, `gold ≢ answer` must not."""

from pathlib import Path

import pytest

from guerdon_math.judge import judge

CASES = Path(__file__).parent / "cases"
# an answer may lose a percent sign but not bring one, and may write a decimal comma for a point
ONE_WAY = {"percent", "lists", "decimals", "near_misses", "contest"}


def table(sign: str) -> list[tuple[str, str, str]]:
    rows = [(path.stem, line) for path in sorted(CASES.glob("*.txt")) for line in path.read_text("utf-8").splitlines()]
    return [(kind, *line.split(f" {sign} ", 1)) for kind, line in rows if f" {sign} " in line]  # type: ignore[misc]


@pytest.mark.parametrize("kind", sorted({kind for kind, _, _ in table("≡")}))
def test_equal_answers_are_equal(kind: str) -> None:
    wrong = [(gold, answer, judge(gold, answer).how) for k, gold, answer in table("≡") if k == kind]
    wrong = [row for row in wrong if not judge(row[0], row[1]).equal]
    assert not wrong


@pytest.mark.parametrize("kind", sorted({kind for kind, _, _ in table("≢")}))
def test_different_answers_are_not_equal(kind: str) -> None:
    pairs = [(gold, answer) for k, gold, answer in table("≢") if k == kind]
    assert not [pair for pair in pairs if judge(*pair).equal]
    if kind not in ONE_WAY:
        assert not [pair for pair in pairs if judge(pair[1], pair[0]).equal]


def test_every_answer_equals_itself_in_other_spacing() -> None:
    texts = {text for _, gold, answer in table("≡") for text in (gold, answer)}
    assert not [text for text in texts if not judge(text, f"$ {text} $").equal]


def test_every_verdict_says_how() -> None:
    assert all(judge(gold, answer).how for sign in "≡≢" for _, gold, answer in table(sign))
