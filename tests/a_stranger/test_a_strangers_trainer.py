"""A trainer, a recipe and a listener of a stranger: with our policy, sampler, tasks, evaluation and journal."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from strangers import Environment, copied

RECIPE = "come-to-an-end"


def train(environment: Environment, directory: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return environment.guerdon("train", RECIPE, "--set", f"directory={directory}", *options)


def metrics(directory: Path) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if not name.startswith("time/")} for line in lines]


def files(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def whole(environment: Environment, tmp_path_factory: pytest.TempPathFactory):
    """The recipe's run, never stopped, and what it printed."""
    directory = tmp_path_factory.mktemp("whole") / "run"
    ended = train(environment, directory)
    assert ended.returncode == 0, ended.stderr
    return directory, ended


def test_what_it_brings_is_listed_and_shown(environment: Environment):
    listed = environment.guerdon("plugins").stdout.splitlines()
    its = [line.split()[:2] for line in listed if line.endswith("guerdon-best-of 0.2.0")]
    assert its == [["reward", "ends"], ["trainer", "best-of"], ["recipe", RECIPE]]
    assert "group_size (int) = 8" in environment.guerdon("show", "best-of").stdout
    assert 'use = "best-of"' in environment.guerdon("recipe", RECIPE).stdout


@pytest.mark.slow
def test_its_own_tests_pass(environment: Environment, tmp_path: Path):
    tests = copied("guerdon-best-of", tmp_path) / "tests"
    ended = environment.run([environment.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests], at=tmp_path)
    assert "3 passed" in ended.stdout, ended.stdout + ended.stderr


@pytest.mark.slow
def test_its_recipe_teaches_what_its_reward_pays_for(whole):
    directory, ended = whole
    rewards = [line["reward"] for line in metrics(directory) if "reward" in line]
    assert len(rewards) == 20
    assert rewards[0] < 0.6
    assert min(rewards[-3:]) > 0.9
    held_out = [line["eval/pass@1"] for line in metrics(directory) if "eval/pass@1" in line]
    assert len(held_out) == 3
    assert held_out[0] < 0.6
    assert held_out[-1] > 0.9
    table = next(line for line in ended.stdout.splitlines() if line.startswith("ending"))
    assert float(table.split()[1]) == held_out[0]


@pytest.mark.slow
def test_killed_and_resumed_it_ends_with_the_same_weights(environment: Environment, whole, tmp_path: Path):
    directory = tmp_path / "run"
    command = [environment.directory / "bin" / "guerdon", "train", RECIPE, "--set", f"directory={directory}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path) as process:
        while process.poll() is None and not (directory / "best" / "step-00006.txt").exists():
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert 6 <= len(metrics(directory)) - 1 < 20

    ended = train(environment, directory, "--resume")
    assert ended.returncode == 0, ended.stderr
    assert metrics(directory) == metrics(whole[0])
    for kept in "checkpoints", "best":
        assert files(directory / kept) == files(whole[0] / kept)


@pytest.mark.slow
def test_its_rewards_are_in_the_plot(environment: Environment, whole, tmp_path: Path):
    ended = environment.guerdon("plot", whole[0], "--out", tmp_path / "curves.svg")
    assert ended.returncode == 0, ended.stderr
    assert "<!-- ending -->" in (tmp_path / "curves.svg").read_text()


@pytest.mark.slow
def test_its_listener_is_quiet_unless_it_is_asked(environment: Environment, whole, tmp_path: Path):
    assert len(os.listdir(whole[0] / "best")) == 20
    ended = train(environment, tmp_path / "run", "--set", "trainer.steps=1", "--set", "trackers=[]")
    assert ended.returncode == 0, ended.stderr
    assert len(metrics(tmp_path / "run")) == 2
    assert not (tmp_path / "run" / "best").exists()
