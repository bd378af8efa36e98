"""cons@k: what most completions agree on, where the verifier and not the spelling says which answers are equal."""

import asyncio
from typing import Any, ClassVar

import pytest

from guerdon import Mixture, Rollout, Score, Task, Term, Total, Verifier
from guerdon.consensus import answer_of, extracting_terms, vote
from guerdon_math import BoxedMath


def box(answer: str) -> str:
    return f"so it is \\boxed{{{answer}}}"


def agreed(completions: list[str], truth: Any, verifier: Verifier, tasks: int = 1) -> list[int]:
    """The numbers of the completions with the answer that most have; the same for each of `tasks` tasks."""
    terms = [Term("it", verifier)]

    async def work() -> list[list[int]]:
        async with Mixture(terms, workers=2) as mixture:
            groups = [
                [Rollout(Task(str(number), "?", truth), completion) for completion in completions]
                for number in range(tasks)
            ]
            totals: list[list[Total]] = [await mixture.score(group) for group in groups]
            extracting = extracting_terms(terms, [total for group in totals for total in group])
            answers = [
                [answer_of(rollout, total, terms, extracting) for rollout, total in zip(group, those, strict=True)]
                for group, those in zip(groups, totals, strict=True)
            ]
            return await vote(mixture, terms, groups, answers)

    majorities = asyncio.run(work())
    assert all(one == majorities[0] for one in majorities)
    return majorities[0]


def test_answers_that_the_verifier_holds_equal_vote_together() -> None:
    completions = [box("3"), box("1/2"), box("0.5"), box("3"), box("\\frac{1}{2}")]
    assert agreed(completions, "1/2", BoxedMath()) == [1, 2, 4]


def test_they_may_be_wrong_together() -> None:
    assert agreed([box("2/4"), box("0.5"), box("7")], "7", BoxedMath()) == [0, 1]


def test_completions_without_an_answer_form_no_majority() -> None:
    assert agreed(["I do not know", "I do not know", "", box("7")], "7", BoxedMath()) == [3]
    assert agreed(["", "  \n"], "7", BoxedMath()) == []


def test_of_camps_of_one_size_the_one_that_was_there_first_wins() -> None:
    assert agreed([box("1"), box("2"), box("2.0"), box("1.0")], "2", BoxedMath()) == [0, 3]


def test_answers_that_only_begin_alike_are_not_equal() -> None:
    """A verifier cuts what it extracted short for those who read it."""
    begin = "1" * 90
    assert agreed([box(begin + "1"), box(begin + "2"), box(begin + "2") + " indeed"], "1", BoxedMath()) == [1, 2]


class Whole(Verifier):
    """Whether the completion is this whole number."""

    name: ClassVar[str] = "whole"
    isolation = "inline"
    ground_truth_type: ClassVar[Any] = int

    def verify(self, rollout: Rollout) -> bool:
        text = rollout.completion.strip()
        return text.removeprefix("+").isdecimal() and int(text) == rollout.task.ground_truth


def test_a_verifier_that_wants_numbers_gets_numbers() -> None:
    assert agreed(["5", "7", "+7", "007", "5"], 1, Whole()) == [1, 2, 3]


class Keyed(Verifier):
    """Looks the answer up in a table that is the ground truth."""

    name: ClassVar[str] = "keyed"
    isolation = "inline"
    ground_truth_type: ClassVar[Any] = dict

    def verify(self, rollout: Rollout) -> bool:
        return bool(rollout.task.ground_truth["answers"].get(rollout.completion))


def test_where_an_answer_can_be_no_ground_truth_only_equal_words_agree() -> None:
    assert agreed(["a", "A", "b", " b"], {"answers": {}}, Keyed()) == [2, 3]


class Touchy(Verifier):
    """Breaks on a ground truth that a model would write."""

    name: ClassVar[str] = "touchy"
    isolation = "inline"

    def verify(self, rollout: Rollout) -> Score:
        if rollout.task.ground_truth != "good":
            raise RuntimeError("I did not expect that")
        return Score(0.0, "no", evidence={"extracted": rollout.completion})


def test_a_verifier_that_breaks_on_answers_of_the_model_does_not_stop_the_run() -> None:
    """Broken on forty ground truths in a row, it would be taken for broken if they were the tasks' own."""
    assert agreed(["a", "b", "c", "b"], "good", Touchy(), tasks=40) == [1, 3]


@pytest.mark.parametrize("thinking", ["it is 5", "it may be 5, or 7"])
def test_what_was_thought_is_no_answer(thinking: str) -> None:
    completions = [
        f"<think>{thinking}</think>7",
        "<think>6</think>7",
        f"<think>{thinking}</think>5",
        "<think>8</think>",
    ]

    class Plain(Verifier):
        """Whether the answer is the truth."""

        name: ClassVar[str] = "plain"
        isolation = "inline"

        def verify(self, rollout: Rollout) -> bool:
            return rollout.answer.strip() == rollout.task.ground_truth

    assert agreed(completions, "5", Plain()) == [0, 1]
