"""What the scores of a term go along with."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon import Scored, group_metrics
from guerdon.correlations import repetition, within_groups

NUMBERS = st.one_of(st.integers(-5, 5).map(float), st.floats(-1e6, 1e6))
GROUPS = st.lists(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=8), max_size=6)


def scored(length: int, tokens: list[int] | None = None, **terms: float | None) -> Scored:
    return Scored(1.0, terms, list(range(length)) if tokens is None else tokens, False)


def test_what_rises_together_correlates_whatever_its_scale() -> None:
    assert within_groups([[(1, 1), (2, 10), (3, 1e9)]]) == 1.0
    assert within_groups([[(1, 3), (2, 2), (3, -1e9)]]) == -1.0


def test_equal_numbers_share_their_rank() -> None:
    assert within_groups([[(1, 1), (1, 2), (2, 3)]]) == pytest.approx(3**0.5 / 2)


def test_a_question_with_long_answers_that_earns_more_is_no_correlation() -> None:
    easy = [(0.9, 10.0), (1.0, 12.0), (1.0, 10.0), (0.9, 12.0)]
    hard = [(0.1, 90.0), (0.2, 99.0), (0.2, 90.0), (0.1, 99.0)]
    assert within_groups([easy, hard]) == 0.0


def test_it_is_undefined_where_nothing_differs() -> None:
    assert within_groups([]) is None
    assert within_groups([[], [(1, 2)]]) is None
    assert within_groups([[(1, 2), (1, 3)], [(5, 2), (5, 3)]]) is None


@given(GROUPS, st.randoms())
def test_it_is_symmetric_bounded_and_the_same_in_any_order(
    groups: list[list[tuple[float, float]]], chance: random.Random
) -> None:
    found = within_groups(groups)
    assert found is None or -1 <= found <= 1
    assert found == within_groups([[(b, a) for a, b in group] for group in groups])
    shuffled = [chance.sample(group, len(group)) for group in groups]
    assert within_groups(shuffled) == (None if found is None else pytest.approx(found))


def test_repetition_is_the_share_of_ngrams_that_were_there_before() -> None:
    assert repetition(range(50)) == 0.0
    assert repetition([7] * 13) == 0.9
    assert repetition([1, 2, 3, 4, 1, 2, 3, 4]) == pytest.approx(1 / 5)
    assert repetition([1, 2, 3]) == repetition([]) == 0.0


def test_the_metrics_of_a_step_show_what_a_judge_goes_along_with() -> None:
    group = [
        scored(10, judge=0.1, accuracy=1.0),
        scored(20, judge=0.2, accuracy=1.0),
        scored(30, judge=0.3, accuracy=0.0),
        scored(40, [1] * 40, judge=0.4, accuracy=None),
    ]
    metrics = group_metrics([group], {"judge"})
    assert metrics["correlation/judge/length"] == 1.0
    assert metrics["correlation/judge/repetition"] == pytest.approx(0.7745967)
    assert metrics["correlation/judge/rewards/accuracy"] == pytest.approx(-(3**0.5) / 2)
    assert metrics["completions/repetition"] == pytest.approx((1 - 1 / 37) / 4)


def test_nothing_is_correlated_with_what_a_term_never_said() -> None:
    metrics = group_metrics([[scored(1, judge=None, accuracy=1.0), scored(2, judge=None, accuracy=0.0)]], {"judge"})
    assert not [name for name in metrics if name.startswith("correlation/")]


def test_a_run_without_models_has_none_of_it() -> None:
    metrics = group_metrics([[scored(1, accuracy=0.0), scored(2, accuracy=1.0)]])
    assert not [name for name in metrics if "correlation" in name or "repetition" in name]


def test_two_models_are_not_correlated_with_each_other_as_if_one_were_verified() -> None:
    metrics = group_metrics([[scored(1, a=0.0, b=0.0), scored(2, a=1.0, b=1.0)]], {"a", "b"})
    found = {name for name in metrics if name.startswith("correlation/")}
    assert found == {"correlation/a/length", "correlation/b/length"}
