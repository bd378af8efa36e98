import re
import string
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon import Mixture, Reward, Rollout, RunFileError, Task, Tasks
from guerdon.options import build
from guerdon.totals import Term

REWARDS = ("boxed-math", "think-tags", "language-consistency")
STEP = re.compile(r"(\d+)\+(\d+)=(\d+)")


def sums(**options: Any) -> list[Task]:
    return list(build(Tasks, {"use": "sums", **options}, "tasks"))


def texts(**options: Any) -> list[str]:
    return [task.metadata["completion"] for task in sums(**options)]


def judged(rollouts: Sequence[Rollout]) -> list[dict[str, float | None]]:
    terms = [Term(name, build(Reward, name, f"rewards.{name}")) for name in REWARDS]
    with Mixture(terms, workers=1) as mixture:
        totals = mixture.submit(rollouts).result()
    return [{name: total.terms[name].score.value for name in REWARDS} for total in totals]


def test_a_task_asks_for_a_sum_and_knows_it() -> None:
    for task in sums(size=200):
        terms = [int(term) for term in task.prompt.removesuffix("=?").split("+")]
        assert len(terms) in (3, 4)
        assert set(terms) <= set(range(1, 10))
        assert task.ground_truth == sum(terms)
        assert (task.domain, task.language) == ("math", "en")


def test_tasks_have_ids_of_their_own_over_splits_and_seeds() -> None:
    ids = [task.id for split in ("train", "test") for seed in (0, 1) for task in sums(size=100, split=split, seed=seed)]
    assert len(set(ids)) == 400


def test_a_demonstration_earns_full_marks_from_every_reward() -> None:
    rollouts = [Rollout(task, task.metadata["completion"]) for task in sums(size=100, terms=[3, 6])]
    assert judged(rollouts) == [dict.fromkeys(REWARDS, 1.0)] * 100


def test_a_slip_costs_the_answer_and_nothing_else() -> None:
    rollouts = [Rollout(task, task.metadata["completion"]) for task in sums(size=50, slips=1)]
    assert judged(rollouts) == [dict.fromkeys(REWARDS, 1.0) | {"boxed-math": 0.0}] * 50


def test_chinese_steps_cost_the_language_and_nothing_else() -> None:
    rollouts = [Rollout(task, task.metadata["completion"]) for task in sums(size=50, chinese=1)]
    assert judged(rollouts) == [dict.fromkeys(REWARDS, 1.0) | {"language-consistency": 0.0}] * 50


def test_what_is_not_in_the_format_earns_nothing() -> None:
    for thinking in (0, 1):
        rollouts = [Rollout(task, task.metadata["completion"]) for task in sums(size=20, tagged=0, thinking=thinking)]
        assert judged(rollouts) == [dict.fromkeys(REWARDS, 0.0)] * 20


def test_thinking_of_nothing_or_in_signs_alone_earns_no_language() -> None:
    [task] = sums(size=1)
    answer = f"<answer>\\boxed{{{task.ground_truth}}}</answer>"
    empty, signs = judged([Rollout(task, f"<think>{thought}</think>{answer}") for thought in ("", "1+1=2")])
    assert empty == {"boxed-math": 1.0, "think-tags": 0.0, "language-consistency": 0.0}
    assert signs == {"boxed-math": 1.0, "think-tags": 1.0, "language-consistency": 0.0}


def test_no_problem_is_in_both_splits_whatever_the_options() -> None:
    held_out = {task.prompt for task in sums(split="test", size=364)}
    assert len(held_out) == 364
    for options in ({}, {"seed": 7, "tagged": 0.1, "slips": 0.5}, {"terms": [3, 5]}):
        assert held_out.isdisjoint(task.prompt for task in sums(size=20_000, **options))


def test_about_a_tenth_of_all_problems_is_held_out_and_the_rest_is_trained_on() -> None:
    # of 9^3 problems, so many draws leave out none that is not held out
    trained = {task.prompt for task in sums(terms=[3, 3], size=20_000)}
    assert 0.87 < len(trained) / 9**3 < 0.93


def test_permutations_of_held_out_problems_occur_in_training() -> None:
    # Said in the docs, because it flatters the accuracy.
    def digits(task: Task) -> tuple[str, ...]:
        return tuple(sorted(task.prompt))

    trained = {digits(task) for task in sums(size=20_000)}
    assert sum(digits(task) in trained for task in sums(split="test", size=300)) > 250


def test_the_held_out_problems_are_the_same_in_every_release() -> None:
    assert [task.prompt for task in sums(split="test", size=3)] == ["1+8+4+8=?", "8+1+9=?", "1+2+5=?"]


def test_the_same_options_give_the_same_tasks() -> None:
    options = {"size": 50, "seed": 3, "tagged": 0.3, "thinking": 0.5, "chinese": 0.3, "slips": 0.2}
    assert sums(**options) == sums(**options)
    assert sums(**options) != sums(**options | {"seed": 4})


def test_shares_change_the_texts_and_not_the_problems() -> None:
    plain = sums(size=100)
    other = sums(size=100, tagged=0.2, thinking=0.5, chinese=0.5, slips=0.5)
    assert [task.prompt for task in plain] == [task.prompt for task in other]
    assert [task.metadata for task in plain] != [task.metadata for task in other]


def test_more_tasks_begin_with_the_same_ones() -> None:
    assert sums(size=100)[:40] == sums(size=40)


def test_shares_are_about_what_is_asked_for() -> None:
    written = texts(size=4000, tagged=0.1, thinking=0.6, chinese=0.3)
    tagged = [text for text in written if text.startswith("<think>")]
    steps = [text for text in written if "+" in text and text not in tagged]
    assert len(tagged) == pytest.approx(400, abs=80)
    assert len(steps) == pytest.approx(0.6 * 3600, abs=120)
    assert sum("所以" in text for text in steps) == pytest.approx(0.3 * len(steps), abs=120)
    assert not any(set(text) - set(string.digits) for text in set(written) - set(tagged) - set(steps))


@given(
    seed=st.integers(),
    digits=st.integers(1, 6),
    terms=st.tuples(st.integers(3, 5), st.integers(0, 4)),
    slips=st.sampled_from([0, 1]),
    chinese=st.sampled_from([0, 0.5]),
)
def test_every_step_follows_from_the_one_before_and_only_a_slip_is_wrong(
    seed: int, digits: int, terms: tuple[int, int], slips: int, chinese: float
) -> None:
    bounds = [terms[0], terms[0] + terms[1]]
    for task in sums(size=5, seed=seed, digits=digits, terms=bounds, slips=slips, chinese=chinese):
        numbers = [int(term) for term in task.prompt.removesuffix("=?").split("+")]
        assert all(len(str(number)) == digits for number in numbers)
        assert bounds[0] <= len(numbers) <= bounds[1]
        steps = [tuple(map(int, step)) for step in STEP.findall(task.metadata["completion"])]
        assert [before for before, _, _ in steps] == [numbers[0], *(after for _, _, after in steps[:-1])]
        assert [term for _, term, _ in steps] == numbers[1:]
        assert sorted(abs(before + term - after) for before, term, after in steps)[:-1] == [0] * (len(steps) - 1)
        assert task.metadata["completion"].endswith(f"<answer>\\boxed{{{steps[-1][2]}}}</answer>")
        assert (steps[-1][2] == task.ground_truth) == (slips == 0)


@pytest.mark.parametrize(
    ("options", "mistake"),
    [
        ({"terms": [4, 3]}, "the smaller number first"),
        ({"terms": [2, 3]}, "at least three"),
        ({"terms": 3}, "tasks.terms"),
        ({"digits": 0}, "tasks.digits"),
        ({"size": 0}, "tasks.size"),
        ({"split": "dev"}, "'train' or 'test'"),
        ({"tagged": 1.1}, "tasks.tagged"),
        ({"split": "test", "size": 400}, "of 7,290 problems at most 364 come in the split test"),
        ({"sise": 3}, "did you mean 'size'"),
    ],
)
def test_a_mistake_in_the_options_is_named(options: dict[str, Any], mistake: str) -> None:
    with pytest.raises(RunFileError, match=re.escape(mistake)):
        sums(**options)


def test_held_out_problems_come_once_up_to_the_last_one_that_may_be_asked_for() -> None:
    prompts = [task.prompt for task in sums(split="test", terms=[3, 3], size=36)]
    assert len(set(prompts)) == 36
