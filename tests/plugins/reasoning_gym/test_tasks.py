import json
import os
import subprocess
import sys
from itertools import islice
from typing import Any

import pytest

from guerdon import GuerdonError, RunFileError, Tasks
from guerdon.options import build
from guerdon_reasoning_gym import ReasoningGymTasks


def tasks(**options: Any) -> Tasks:
    return build(Tasks, {"use": "reasoning-gym", **options}, "tasks")


def test_tasks_of_several_datasets_come_in_turns() -> None:
    made = list(tasks(names=["maze", "gcd"], size=2, seed=3, domain="puzzles"))
    assert [task.id for task in made] == ["maze/3/0", "gcd/3/0", "maze/3/1", "gcd/3/1"]
    assert {(task.domain, task.language) for task in made} == {("puzzles", "en")}
    assert made[1].metadata == {"dataset": "gcd"}
    assert made[1].prompt == made[1].ground_truth["question"]
    assert json.loads(json.dumps(made[1].ground_truth)) == made[1].ground_truth


# Those that go through sets, and those that draw from the global generator.
MOODY = ["codeio", "isomorphic_strings", "knight_swap", "polynomial_multiplication", "ransom_note", "word_ladder"]


def test_the_same_tasks_come_every_time_and_others_with_another_seed() -> None:
    one = list(tasks(names=MOODY, size=2))
    assert one == list(tasks(names=MOODY, size=2))
    assert list(tasks(names=["gcd"], size=2)) != list(tasks(names=["gcd"], size=2, seed=1))


def test_the_options_of_a_dataset_reach_it_and_travel_with_the_task() -> None:
    [task] = tasks(names=["chain_sum"], size=1, config={"chain_sum": {"min_terms": 9, "max_terms": 9}})
    assert task.prompt.count("+") + task.prompt.count("-") >= 8
    assert task.ground_truth["config"] == {"min_terms": 9, "max_terms": 9}


def test_taking_a_few_tasks_of_many_ends_the_process_that_makes_them() -> None:
    made = iter(tasks(names=["gcd"], size=1_000_000))
    assert len(list(islice(made, 3))) == 3
    made.close()
    with open(f"/proc/{os.getpid()}/task/{os.getpid()}/children") as file:
        for child in file.read().split():
            with open(f"/proc/{child}/cmdline") as command:
                assert "guerdon_reasoning_gym" not in command.read()


def test_what_generators_print_does_not_get_in_between(capfd: pytest.CaptureFixture[str]) -> None:
    assert len(list(tasks(names=["bf"], size=20))) == 20  # prints dots while it works
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": ["countdwn"]}, "tasks.names: reasoning-gym has no dataset 'countdwn'; did you mean 'countdown'?"),
        ({"names": ["composite"]}, "tasks.names: 'composite' is made of other datasets; name those"),
        ({"config": {"gdc": {}}}, "tasks.config: reasoning-gym has no dataset 'gdc'; did you mean 'gcd'?"),
        ({"config": {"gcd": {"min_number": 1}}}, "tasks.config: gcd has no option 'min_number'; did you mean 'min_num"),
        ({"config": {"gcd": {"seed": 1}}}, "tasks.config: gcd.seed is the same for all datasets; leave it out"),
        ({"names": ["lcm"], "config": {"gcd": {}}}, "tasks.config: gcd is not among the names"),
        ({"size": 0}, "tasks.size: input should be greater than 0"),
    ],
)
def test_every_mistake_in_the_run_file_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RunFileError) as caught:
        tasks(**options)
    assert message in str(caught.value)


def test_an_option_that_the_dataset_refuses_is_named_with_its_reason() -> None:
    source = tasks(names=["gcd"], config={"gcd": {"min_numbers": -1}})
    with pytest.raises(GuerdonError, match="tasks 'reasoning-gym': gcd: cannot make task 0: AssertionError: min_num"):
        list(source)


def test_the_options_survive_the_way_to_another_process() -> None:
    source = ReasoningGymTasks(names=("gcd",), config={"gcd": {"min_numbers": 3}}, seed=2)
    assert ReasoningGymTasks.model_validate_json(source.model_dump_json()) == source


def test_the_plugin_imports_nothing_heavy_until_it_is_used() -> None:
    code = "import sys, guerdon_reasoning_gym; assert not {'reasoning_gym', 'sympy', 'numpy'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
