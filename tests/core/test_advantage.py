"""Group-relative advantages, where some rollouts of a group may have no score."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon import group_advantages

TOTALS = st.lists(st.one_of(st.none(), st.floats(-100, 100)), max_size=16)


def test_a_rollout_without_a_score_gets_no_advantage_and_does_not_move_the_baseline() -> None:
    assert group_advantages([1, None, 0, None], scale=False) == [0.5, None, -0.5, None]
    with_abstentions = group_advantages([1, None, 0, 1, None])
    without = group_advantages([1, 0, 1])
    assert [one for one in with_abstentions if one is not None] == without


def test_an_abstention_is_not_a_zero() -> None:
    assert group_advantages([1, 1, None]) == [0, 0, None]
    assert group_advantages([1, 1, 0]) != [0, 0, None]


def test_a_group_with_fewer_than_two_scores_has_no_advantages() -> None:
    for totals in ([], [1.0], [None, 1.0, None], [None, None]):
        assert group_advantages(totals) == [None] * len(totals)


def test_the_deviation_is_the_samples() -> None:
    assert group_advantages([0, 1], epsilon=0) == [pytest.approx(-math.sqrt(0.5)), pytest.approx(math.sqrt(0.5))]
    assert group_advantages([0, 1], epsilon=1) == [
        pytest.approx(-0.5 / (math.sqrt(0.5) + 1)),
        pytest.approx(0.5 / (math.sqrt(0.5) + 1)),
    ]


@given(st.floats(-1e6, 1e6), st.integers(2, 64))
def test_a_constant_group_has_no_advantage_whatever_rounding_makes_of_its_deviation(value: float, size: int) -> None:
    assert group_advantages([value] * size) == [0.0] * size


@given(TOTALS, st.booleans())
def test_advantages_add_up_to_nothing_and_abstentions_stay(totals: list[float | None], scale: bool) -> None:
    found = group_advantages(totals, scale)
    assert len(found) == len(totals)
    scored = [one for one in totals if one is not None]
    if len(scored) < 2:
        assert found == [None] * len(totals)
        return
    assert [one is None for one in found] == [one is None for one in totals]
    numbers = [one for one in found if one is not None]
    assert math.fsum(numbers) == pytest.approx(0, abs=1e-6)
    assert all(map(math.isfinite, numbers))


@given(TOTALS, st.integers(-1000, 1000), st.booleans())
def test_a_shift_of_all_totals_changes_no_advantage(totals: list[float | None], shift: int, scale: bool) -> None:
    totals = [None if one is None else round(one * 8) / 8 for one in totals]  # so that the shift is exact
    shifted = [None if one is None else one + shift for one in totals]
    assert group_advantages(shifted, scale) == [
        None if one is None else pytest.approx(one, abs=1e-9) for one in group_advantages(totals, scale)
    ]


@given(TOTALS, st.randoms())
def test_the_order_of_a_group_does_not_matter(totals: list[float | None], random: object) -> None:
    order = list(range(len(totals)))
    random.shuffle(order)  # type: ignore[attr-defined]
    found, mixed = group_advantages(totals), group_advantages([totals[i] for i in order])
    for place, i in enumerate(order):
        assert mixed[place] == (None if found[i] is None else pytest.approx(found[i], abs=1e-9))


@given(TOTALS)
def test_better_is_never_worse(totals: list[float | None]) -> None:
    pairs = [(t, a) for t, a in zip(totals, group_advantages(totals), strict=True) if t is not None and a is not None]
    ordered = sorted(pairs)
    assert [a for _, a in ordered] == sorted(a for _, a in pairs)
