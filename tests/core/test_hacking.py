"""A warning comes when a model's reward rises while a verified one falls, once, and not of noise."""

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon import Rollout, Term, Verifier
from guerdon.hacking import POINTS, STEPS, Watch

SPAN = STEPS * POINTS


class Opinion(Verifier):
    name = "opinion"
    model_based = True

    def verify(self, rollout: Rollout) -> float:
        return 1.0


class Fact(Verifier):
    name = "fact"

    def verify(self, rollout: Rollout) -> float:
        return 1.0


def watch(judge: float = 1.0, accuracy: float = 1.0) -> Watch:
    return Watch([Term("judge", Opinion(), judge), Term("accuracy", Fact(), accuracy)])


def warned(judge: Iterable[float | None], accuracy: Iterable[float | None], one: Watch | None = None) -> list[int]:
    """The steps at which there was a warning."""
    one = one or watch()
    pairs = enumerate(zip(judge, accuracy, strict=True), 1)
    return [
        step for step, (a, b) in pairs if one.hear({"rewards/judge/mean": a, "rewards/accuracy/mean": b, "loss": 1.0})
    ]


def ramp(
    start: float, end: float, over: int = SPAN, *, flat: int = SPAN, noise: float = 0.0, seed: int = 0
) -> list[float]:
    chance = random.Random(seed)
    line = [start] * flat + [start + (end - start) * (n + 1) / over for n in range(over)]
    return [value + chance.gauss(0, noise) for value in line]


def noise(count: int, seed: object) -> list[float]:
    chance = random.Random(str(seed))
    return [0.5 + chance.gauss(0, 0.05) for _ in range(count)]


def walk(count: int, seed: object) -> list[float]:
    chance = random.Random(str(seed))
    return list(accumulate(chance.gauss(0, 0.01) for _ in range(count)))


@pytest.mark.parametrize("seed", range(20))
def test_a_clear_case_is_caught_within_a_window_of_its_beginning(seed: int) -> None:
    found = warned(ramp(0.3, 0.7, noise=0.03, seed=seed), ramp(0.7, 0.4, noise=0.03, seed=seed + 100))
    assert found
    assert SPAN < found[0] <= 2 * SPAN


def test_it_is_said_once_of_each_onset_and_again_after_it_was_over() -> None:
    up, down = ramp(0.3, 0.7, noise=0.01, seed=1), ramp(0.7, 0.3, noise=0.01, seed=2)
    calm = noise(2 * SPAN, 3)
    found = warned([*up, *calm, *up], [*down, *calm, *down])
    assert len(found) == 2
    assert found[0] <= len(up)
    assert found[1] > len(up) + len(calm)


def test_both_that_rise_are_no_warning() -> None:
    assert not warned(ramp(0.3, 0.7, noise=0.01, seed=1), ramp(0.3, 0.7, noise=0.01, seed=2))
    assert not warned(ramp(0.7, 0.3, noise=0.01, seed=1), ramp(0.7, 0.3, noise=0.01, seed=2))
    assert not warned(ramp(0.7, 0.3, noise=0.01, seed=1), ramp(0.3, 0.7, noise=0.01, seed=2))


def test_nothing_is_said_before_a_window_is_full_nor_of_what_never_changes() -> None:
    assert not warned(ramp(0.0, 1.0, SPAN - 1, flat=0), ramp(1.0, 0.0, SPAN - 1, flat=0))
    assert warned(ramp(0.0, 1.0, flat=0), ramp(1.0, 0.0, flat=0)) == [SPAN]
    assert not warned([1 / 3] * 500, [0.1 + 0.2] * 500)


def test_one_outlier_is_no_trend() -> None:
    judge, accuracy = [0.3] * SPAN, [0.7] * SPAN
    judge[SPAN // 2 :], accuracy[SPAN // 2 :] = [0.9] * (SPAN // 2), [0.1] * (SPAN // 2)
    assert not warned(judge, accuracy)


def test_a_term_with_a_negative_weight_rises_when_its_number_falls() -> None:
    up, down = ramp(0.3, 0.7, noise=0.01, seed=1), ramp(0.7, 0.3, noise=0.01, seed=2)
    assert warned(down, down, watch(judge=-1.0))
    assert warned(up, up, watch(accuracy=-1.0))
    assert not warned(up, down, watch(judge=-1.0))


def test_a_term_of_weight_0_is_watched_too() -> None:
    up, down = ramp(0.3, 0.7, noise=0.01, seed=1), ramp(0.7, 0.3, noise=0.01, seed=2)
    assert warned(up, down, watch(accuracy=0.0))


def test_steps_without_a_score_are_passed_over() -> None:
    def holed(values: Iterable[float]) -> Iterator[float | None]:
        for value in values:
            yield value
            yield None

    up, down = ramp(0.3, 0.7, noise=0.01, seed=1), ramp(0.7, 0.3, noise=0.01, seed=2)
    assert len(warned(holed(up), holed(down))) == 1
    assert not warned([None] * 500, [None] * 500)


def test_the_warning_names_both_and_says_how_far_they_went() -> None:
    one = watch()
    said = []
    for a, b in zip(ramp(0.0, 1.0, flat=0), ramp(1.0, 0.0, flat=0), strict=True):
        said += one.hear({"rewards/judge/mean": a, "rewards/accuracy/mean": b})
    (warning,) = said
    assert warning.startswith("'judge' went from 0.055 to 0.955, and 'accuracy' went from 0.945 to 0.045, in 100 steps")


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=SPAN, max_size=3 * SPAN))
@settings(max_examples=30, deadline=None)
def test_whoever_has_heard_the_same_says_the_same(steps: list[tuple[float, float]]) -> None:
    middle = len(steps) // 2
    one, other = watch(), watch()
    whole = warned(*zip(*steps, strict=True), one)
    warned(*zip(*steps[:middle], strict=True), other)
    assert [step for step in whole if step > middle] == [
        middle + step for step in warned(*zip(*steps[middle:], strict=True), other)
    ]


@pytest.mark.parametrize(
    ("judge", "accuracy", "most"),
    [(noise, noise, 0), (walk, noise, 0), (noise, walk, 0), (walk, walk, 12)],
    ids=["noise and noise", "a walk and noise", "noise and a walk", "two walks at random"],
)
def test_noise_raises_next_to_no_alarm_in_a_thousand_steps(
    judge: Callable[..., list[float]], accuracy: Callable[..., list[float]], most: int
) -> None:
    alarms = sum(bool(warned(judge(1000, ("j", seed)), accuracy(1000, ("a", seed)))) for seed in range(200))
    assert alarms <= most


def test_a_judge_that_rises_all_the_time_does_not_make_a_warning_of_noise() -> None:
    rising = [n / 2000 for n in range(1000)]
    assert len([seed for seed in range(200) if warned(rising, noise(1000, seed))]) <= 1
