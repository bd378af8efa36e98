"""pass@k against counting, and the interval of pass@1 against what it says of itself."""

import math
import random
from fractions import Fraction
from itertools import combinations
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon.passes import interval, pass_at

TRIALS = 400


@given(st.lists(st.booleans(), min_size=1, max_size=9), st.data())
def test_pass_at_k_is_the_share_of_all_choices_of_k_samples_that_hold_a_right_one(
    right: list[bool], data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, len(right)))
    choices = list(combinations(right, k))
    assert pass_at(k, len(right), sum(right)) == pytest.approx(sum(map(any, choices)) / len(choices))


@pytest.mark.parametrize(("n", "k"), [(1, 1), (5, 2), (16, 16), (40, 8)])
def test_pass_at_k_is_unbiased(n: int, k: int) -> None:
    p = Fraction(3, 10)
    chances = [math.comb(n, c) * p**c * (1 - p) ** (n - c) for c in range(n + 1)]
    mean = sum(float(chance) * pass_at(k, n, c) for c, chance in enumerate(chances))
    assert mean == pytest.approx(float(1 - (1 - p) ** k))


def test_pass_at_1_is_the_share_of_right_samples_and_pass_at_n_whether_there_is_one() -> None:
    assert pass_at(1, 7, 3) == pytest.approx(3 / 7)
    assert [pass_at(7, 7, c) for c in range(3)] == [0, 1, 1]


@pytest.mark.parametrize(("k", "n", "c"), [(0, 3, 1), (4, 3, 1), (1, 3, 4), (1, 3, -1), (1, 0, 0)])
def test_what_cannot_be_is_refused(k: int, n: int, c: int) -> None:
    with pytest.raises(ValueError, match="no pass@"):
        pass_at(k, n, c)


SKILLS = {
    "every task is as hard": lambda rng: 0.5,
    "every task is easy": lambda rng: 0.95,
    "a task is solved always or never": lambda rng: float(rng.random() < 0.3),
    "a few tasks are never solved": lambda rng: 0.999 if rng.random() > 0.03 else 0.0,
    "tasks are of all kinds": lambda rng: rng.random(),
    "most tasks are solved always or never, and the others now and then": lambda rng: rng.betavariate(0.3, 0.1),
}


@pytest.mark.parametrize(("tasks", "samples"), [(30, 1), (30, 16), (100, 4)])
@pytest.mark.parametrize("skill", SKILLS)
def test_nineteen_of_twenty_intervals_cover_what_more_tasks_would_show(skill: str, tasks: int, samples: int) -> None:
    rng = random.Random(f"{skill} {tasks} {samples}")
    truth = fmean(SKILLS[skill](rng) for _ in range(100_000))
    covered = 0
    for _ in range(TRIALS):
        skills = [SKILLS[skill](rng) for _ in range(tasks)]
        low, high = interval([fmean(rng.random() < one for _ in range(samples)) for one in skills])
        covered += low <= truth <= high
    # Three standard deviations below: 0.95 − 3 √(0.95 × 0.05 / 400) = 0.917
    assert covered / TRIALS > 0.917


def test_samples_that_are_alike_within_a_task_do_not_make_it_narrow() -> None:
    """Were these 30 × 16 samples taken for independent, the interval would be a quarter as wide."""
    shares = [1.0] * 15 + [0.0] * 15
    low, high = interval(shares)
    assert high - low > 0.3


@pytest.mark.parametrize("tasks", [1, 10, 200])
def test_all_right_and_all_wrong_leave_room_for_doubt(tasks: int) -> None:
    low, high = interval([1.0] * tasks)
    assert high == 1
    assert 1 - low > 1 / tasks if tasks > 1 else low < 0.5
    assert interval([0.0] * tasks) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize("right", range(0, 21, 4))
def test_with_one_sample_a_task_it_is_the_interval_of_agresti_and_coull(right: int) -> None:
    low, high = interval([1.0] * right + [0.0] * (20 - right))
    middle = (right + 2) / 24
    reach = 1.959963984540054 * math.sqrt(middle * (1 - middle) / 24)
    assert low == pytest.approx(max(0, middle - reach))
    assert high == pytest.approx(min(1, middle + reach))


@given(st.lists(st.floats(0, 1), max_size=50))
def test_it_lies_between_0_and_1_and_holds_the_mean(shares: list[float]) -> None:
    low, high = interval(shares)
    assert 0 <= low <= high <= 1
    if shares:
        assert low <= fmean(shares) <= high
    else:
        assert (low, high) == (0, 1)
