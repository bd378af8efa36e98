"""Characters that the eye does not see, or takes for others."""

import pytest

from guerdon_math.judge import judge


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("42", "42\u200b"),
        ("42", "\u200f42\u200e"),
        ("42", "\ufeff42"),
        ("1000", "1\u2009000"),
        (r"1\,000", "1\u00a0000"),
        ("x^2", "x²"),
        ("-5", "\u22125"),
        ("5", "５"),
        ("28 ", "28"),
    ],
)
def test_invisible_differences_are_none(gold: str, answer: str) -> None:
    assert judge(gold, answer).equal


@pytest.mark.parametrize("answer", ["4\x002", "4\x01" + "2", "4\ud8002", "4 2", "4\u20282", "4\u200b 2", "\U0001f600"])
def test_a_torn_number_is_no_number(answer: str) -> None:
    assert not judge("42", answer).equal
