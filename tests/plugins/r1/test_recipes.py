import tomllib
from pathlib import Path
from typing import Any

import pytest

from guerdon import Task, registry, runfile
from guerdon.runfile import RunFile
from guerdon_r1.template import AFTER, BEFORE

RECIPES = ("cold-start-rl", "r1-zero")


def path_of(name: str) -> Path:
    return registry.load().recipe(name).path


def recipe(name: str) -> RunFile:
    return runfile.load(path_of(name))


def full_scale(name: str) -> RunFile:
    """The variant of the recipe that is commented out, as its own comment says to bring it in."""
    lines = path_of(name).read_text("utf-8").splitlines()
    start = next(number for number, line in enumerate(lines) if "The same at full scale" in line)
    start = next(number for number, line in enumerate(lines) if number > start and line == "#")
    assert all(line.startswith("#") for line in lines[start:])
    text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[start:])
    return runfile.parse(tomllib.loads(text), Path("full.toml"), text)


def trained_on(file: RunFile) -> list[list[Task]]:
    return [list(stage.tasks) for stage in file.stages if stage.tasks is not None]


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_says_what_it_is_for_and_what_it_does_not_show(name: str) -> None:
    assert path_of(name).read_text("utf-8").startswith("# DeepSeek-R1")
    for limit in ("the same digits in another order", "nothing about longer sums", "nothing emerges"):
        assert limit in recipe(name).note


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_tried_on_problems_that_no_stage_trains_on(name: str) -> None:
    file = recipe(name)
    assert file.evaluation is not None
    held_out = [task.prompt for task in file.evaluation.tasks]
    assert len(set(held_out)) == len(held_out) == 200
    for tasks in trained_on(file):
        assert {task.prompt for task in tasks}.isdisjoint(held_out)


@pytest.mark.parametrize("name", RECIPES)
def test_no_text_of_a_recipe_is_longer_than_its_completions_may_be(name: str) -> None:
    file = recipe(name)
    assert file.evaluation is not None
    pieces = [*file_options(file, "policy")["vocabulary"], "<think>", "</think>", "<answer>", "</answer>"]
    for tasks in trained_on(file):
        assert max(len(cut(task.metadata["completion"], pieces)) for task in tasks) < 40


@pytest.mark.parametrize("name", RECIPES)
def test_everything_that_a_recipe_asks_or_shows_can_be_read(name: str) -> None:
    file = recipe(name)
    pieces = [*file_options(file, "policy")["vocabulary"], "<think>", "</think>", "<answer>", "</answer>"]
    for tasks in trained_on(file):
        for task in tasks[:500]:
            assert isinstance(task.prompt, str)
            assert len(cut(task.prompt, pieces)) <= 4 * 2 + 3
            cut(task.metadata["completion"], pieces)


def file_options(file: RunFile, key: str) -> dict[str, Any]:
    options: dict[str, Any] = file.table[key]
    return options


def cut(text: str, pieces: list[str]) -> list[str]:
    """The pieces that a text is made of, the longest that fits first. Fails where none fits."""
    found = []
    longest_first = sorted(pieces, key=len, reverse=True)
    while text:
        piece = next(piece for piece in longest_first if text.startswith(piece))
        found.append(piece)
        text = text[len(piece) :]
    return found


def test_few_texts_of_the_base_model_of_r1_zero_are_in_the_format() -> None:
    base, questions = trained_on(recipe("r1-zero"))
    assert sum("<think>" in task.metadata["completion"] for task in base) / len(base) < 0.12
    assert all(task.prompt[: len(BEFORE)] == BEFORE and task.prompt.endswith(AFTER) for task in base + questions)


def test_the_cold_start_has_a_few_hundred_demonstrations_and_some_are_wrong() -> None:
    _, demonstrations, _ = trained_on(recipe("cold-start-rl"))
    assert len(demonstrations) == 400
    wrong = sum(f"{{{task.ground_truth}}}" not in task.metadata["completion"] for task in demonstrations)
    assert 40 < wrong < 120


@pytest.mark.parametrize("name", RECIPES)
def test_the_full_scale_variant_is_a_run_file_with_what_is_published_of_r1(name: str) -> None:
    last = full_scale(name).stages[-1].trainer.model_dump()
    published = {"learning_rate": 3e-6, "beta": 0.001, "temperature": 1.0, "group_size": 16, "batch_size": 32}
    published |= {"steps_per_generation": 16, "num_iterations": 1, "ref_model_sync_steps": 400}
    assert {key: last[key] for key in published} == published
    assert last["batch_size"] * last["group_size"] == 512
    assert last["batch_size"] * last["group_size"] * last["steps_per_generation"] == 8192


def test_r1_zero_at_full_scale_lets_longer_completions_through_after_8200_of_10400_steps() -> None:
    stages = [stage.trainer.model_dump() for stage in full_scale("r1-zero").stages]
    assert [(stage["steps"], stage["max_completion_length"]) for stage in stages] == [(8200, 32768), (2200, 65536)]


def test_r1s_first_stage_of_reinforcement_learning_clips_at_ten() -> None:
    assert full_scale("cold-start-rl").stages[-1].trainer.model_dump()["epsilon"] == 10


def test_r1s_second_stage_at_full_scale_has_preference_models_in_its_last_400_of_1700_steps() -> None:
    stages = full_scale("all-scenarios").stages
    assert [stage.trainer.model_dump()["steps"] for stage in stages] == [1300, 400]
    assert [stage.trainer.model_dump()["temperature"] for stage in stages] == [0.7, 0.7]
    opinions = [{term.name for term in stage.terms if term.reward.model_based} for stage in stages]
    assert opinions == [set(), {"helpful", "harmless"}]
    first, last = (stage.trainer.model_dump(exclude={"steps"}) for stage in stages)
    assert first == last
