"""DAPO's soft overlong punishment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from guerdon import Mixture, Outcome, Rollout, Task, Term, Unavailable
from guerdon_format import Overlong

TASK = Task("1", "?")


def value(length: int, max_length: int = 100, buffer: int = 20) -> float:
    score = Overlong(max_length=max_length, buffer=buffer).verify(Rollout(TASK, "", completion_ids=[0] * length))
    assert score.value is not None
    return score.value


def test_the_punishment_grows_linearly_in_the_buffer() -> None:
    assert [value(n) for n in (0, 80, 85, 90, 100, 101, 1000)] == [0, 0, -0.25, -0.5, -1, -1, -1]


def test_without_a_buffer_it_is_a_step() -> None:
    assert [value(n, buffer=0) for n in (100, 101)] == [0, -1]


@given(st.integers(0, 300), st.integers(1, 200), st.integers(0, 200))
def test_longer_is_never_better(length: int, max_length: int, buffer: int) -> None:
    if buffer <= max_length:
        shorter, longer = value(length, max_length, buffer), value(length + 1, max_length, buffer)
        assert -1 <= longer <= shorter <= 0


def test_characters_are_counted_in_the_completion_alone() -> None:
    reward = Overlong(max_length=10, buffer=4, unit="characters")
    score = reward.verify(Rollout(TASK, "十二三四五六七八", prefill="<think>\n"))
    assert (score.value, score.reason) == (-0.5, "8 characters, 2 of 4 into the buffer")


def test_without_token_ids_there_is_no_score_and_a_way_out() -> None:
    reward = Overlong(max_length=10, buffer=4)
    with pytest.raises(Unavailable, match='set unit = "characters"'):
        reward.verify(Rollout(TASK, "x"))
    with Mixture([Term("length", reward)]) as mixture:
        [total] = mixture.submit([Rollout(TASK, "x")]).result()
    assert (total.value, total.outcome) == (None, Outcome.UNAVAILABLE)


def test_a_buffer_longer_than_all_that_is_allowed_is_refused() -> None:
    with pytest.raises(ValidationError, match="buffer is 11, more than max_length, which is 10"):
        Overlong(max_length=10, buffer=11)


def test_token_ids_from_a_file_are_counted() -> None:
    from guerdon.columns import rollout_of

    row = {"prompt": "p", "completion": "long", "completion_ids": list(range(90))}
    rollout, _ = rollout_of(row, "rollouts.jsonl:1")
    assert Overlong(max_length=100, buffer=20).verify(rollout).value == -0.5
