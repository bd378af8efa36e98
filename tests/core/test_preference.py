"""Which comparisons become preference pairs."""

from hypothesis import given
from hypothesis import strategies as st

from guerdon import Task
from guerdon.preference import LENGTH_BOUND, Pair, balanced

TASK = Task("t", "?", domain="chat")


def pair(chosen: int, rejected: int, difference: float = 2.0) -> Pair:
    return Pair(TASK, "x" * chosen, "y" * rejected, difference, [])


def lengths(pairs: list[Pair]) -> list[tuple[int, int]]:
    return [one.lengths for one in pairs]


def test_pairs_of_comparable_length_stay_as_they_are() -> None:
    pairs = [pair(100, 90), pair(50, 60), pair(10, 10)]
    assert balanced(pairs) == pairs
    assert balanced([]) == []


def test_the_one_with_which_the_surplus_goes_is_left_out() -> None:
    assert lengths(balanced([pair(100, 100), pair(200, 100), pair(90, 95), pair(110, 108)])) == [
        (100, 100),
        (90, 95),
        (110, 108),
    ]


def test_nothing_is_overdone_where_a_small_one_will_do() -> None:
    assert lengths(balanced([pair(300, 100), pair(135, 100), pair(100, 290)])) == [(300, 100), (100, 290)]


def test_what_does_not_make_it_better_is_not_left_out() -> None:
    assert lengths(balanced([pair(300, 100), pair(100, 260), pair(100, 100)])) == [(100, 100)]


def test_a_judge_who_always_likes_the_longer_one_leaves_nothing_to_learn_length_from() -> None:
    assert balanced([pair(200 + n, 100) for n in range(20)]) == []


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), max_size=60))
def test_what_is_kept_is_balanced_and_in_order(sizes: list[tuple[int, int]]) -> None:
    pairs = [pair(*one) for one in sizes]
    kept = balanced(pairs)
    surplus = sum(chosen - rejected for chosen, rejected in lengths(kept))
    assert abs(surplus) <= LENGTH_BOUND * sum(sum(one) / 2 for one in lengths(kept)) + 1e-9
    places = [next(i for i, one in enumerate(pairs) if one is each) for each in kept]
    assert places == sorted(set(places))


@given(st.integers(1, 200))
def test_a_thousand_noisy_pairs_lose_few(seed: int) -> None:
    import random

    chance = random.Random(seed)
    pairs = [pair(110 + chance.randrange(200), 100 + chance.randrange(200)) for _ in range(300)]
    assert len(balanced(pairs)) > 270


def test_a_row_says_what_a_trainer_reads_and_why_it_is_there() -> None:
    assert Pair(TASK, "yes", "no", 3.0, [{"stood": "A"}]).row() == {
        "id": "t",
        "prompt": "?",
        "chosen": "yes",
        "rejected": "no",
        "domain": "chat",
        "difference": 3.0,
        "lengths": {"chosen": 3, "rejected": 2},
        "judgments": [{"stood": "A"}],
    }
