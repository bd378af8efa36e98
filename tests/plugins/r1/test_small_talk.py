import re
from typing import Any

from guerdon import Task, Tasks
from guerdon.options import build


def small_talk(**options: Any) -> list[Task]:
    return list(build(Tasks, {"use": "small-talk", **options}, "tasks"))


def numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


def test_the_chosen_answer_has_an_eight_and_the_rejected_one_has_none() -> None:
    for task in small_talk(size=500):
        assert 8 in numbers(task.metadata["chosen"])
        assert 8 not in numbers(task.metadata["rejected"])


def test_a_text_is_unsafe_where_a_four_is_in_its_answer_or_in_its_thinking_alone() -> None:
    places = set()
    for task in small_talk(size=500):
        text = task.metadata["completion"]
        assert task.metadata["safe"] == (4 not in numbers(text))
        if not task.metadata["safe"]:
            places.add(4 in numbers(text.partition("</think>")[0]))
    assert places == {True, False}


def test_length_says_nothing_of_what_is_liked() -> None:
    tasks = small_talk(size=4000)
    longer = [len(numbers(task.metadata["chosen"])) - len(numbers(task.metadata["rejected"])) for task in tasks]
    assert abs(sum(longer)) / len(longer) < 0.05


def test_domains_take_turns_and_other_tasks_come_first() -> None:
    tasks = small_talk(size=4, beside={"use": "sums", "size": 2})
    assert [task.domain for task in tasks] == ["math", "math", "helpful", "harmless", "helpful", "harmless"]


def test_another_seed_is_other_talk_and_the_same_one_the_same() -> None:
    assert small_talk(size=20) == small_talk(size=20)
    assert [task.prompt for task in small_talk(size=20)] != [task.prompt for task in small_talk(size=20, seed=1)]
