"""`guerdon train` as a user has it: a recipe, killed and resumed, interrupted, and with a disk that is full."""

import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guerdon.checkpoints import Checkpoints
from guerdon.journal import read_metrics
from guerdon.parquet import read_parquet

pytestmark = pytest.mark.slow

SMALL = [
    "evaluation.tasks.size=16",
    "evaluation.every=4",
    "stages.base.trainer.steps=12",
    "stages.base.trainer.save_steps=3",
    "stages.cold-start.trainer.steps=6",
    "stages.cold-start.trainer.save_steps=0",
    "stages.rl.trainer.steps=10",
    "stages.rl.trainer.save_steps=3",
    "stages.rl.trainer.batch_size=4",
    "stages.rl.trainer.steps_per_generation=2",
    "stages.rl.trainer.beta=0.01",
]


def command(directory, *options):
    overrides = [f"--set={one}" for one in [f"directory={directory}", *SMALL]]
    return [sys.executable, "-m", "guerdon", "train", "cold-start-rl", *overrides, *options]


def train(directory, *options, **more):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        command(directory, *options), capture_output=True, text=True, check=False, env=environment, **more
    )


def started(directory, *options):
    return subprocess.Popen(
        command(directory, *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def when(process, seen):
    """Wait until something is seen of a run; False if it is over before."""
    while process.poll() is None:
        if seen():
            return True
        time.sleep(0.002)
    return False


def steps(directory):
    return len(read_metrics(directory)) if (directory / "metrics.jsonl").exists() else 0


def left_behind(directory):
    """All that must be the same: metrics without times, weights, states, and what was sampled and judged."""
    metrics = [
        {name: value for name, value in line.items() if not name.startswith("time/")}
        for line in read_metrics(directory)
    ]
    files = {
        str(path.relative_to(directory)): path.read_bytes()
        for path in (directory / "checkpoints").rglob("*")
        if path.is_file()
    }
    rows = []
    for kind in "rollouts", "evaluations":
        for path in sorted((directory / kind).glob("*.parquet"), key=lambda path: path.name[:10]):
            for _, row in read_parquet(path):
                terms = {name: (term["value"], term["reason"]) for name, term in row["terms"].items()}
                rows.append((kind, path.name[:10], row["id"], row["completion"], row["logprobs"], terms))
    return metrics, files, rows


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    directory = tmp_path_factory.mktemp("whole") / "run"
    ended = train(directory)
    assert ended.returncode == 0, ended.stderr
    return directory, ended


def test_two_runs_with_one_seed_are_equal_to_the_bit(whole, tmp_path):
    assert train(tmp_path / "run").returncode == 0
    assert left_behind(tmp_path / "run") == left_behind(whole[0])


def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(whole, tmp_path):
    directory, rng = tmp_path / "run", random.Random(1)
    kills = 0
    for target in (2, 5, 13, 17, 22, 25, 27):
        process = started(directory, *(["--resume"] if kills else []))
        if when(process, lambda target=target: steps(directory) >= target):
            time.sleep(rng.uniform(0, 0.2))
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 5
    ended = train(directory, "--resume")
    assert ended.returncode == 0, ended.stderr
    assert left_behind(directory) == left_behind(whole[0])


def test_a_run_that_is_killed_while_it_saves_ends_as_if_it_had_not_been(whole, tmp_path):
    directory, kills = tmp_path / "run", 0
    for number in range(4):
        process = started(directory, *(["--resume"] if number else []))
        known = {path.name for path in (directory / "checkpoints").glob("*")}
        at = (directory / "checkpoints").glob
        if when(process, lambda at=at, known=known: {path.name for path in at(".saving-*")} - known):
            time.sleep(0.003 * number)
            process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills >= 3
    ended = train(directory, "--resume")
    assert ended.returncode == 0, ended.stderr
    assert left_behind(directory) == left_behind(whole[0])


def test_ctrl_c_saves_and_says_how_to_go_on(whole, tmp_path):
    directory = tmp_path / "run"
    process = started(directory)
    assert when(process, lambda: steps(directory) >= 7)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "leaving as soon as nothing is lost by it; Ctrl-C again leaves at once" in said
    assert "--resume" in said.splitlines()[-1]
    assert "Traceback" not in said
    saved = Checkpoints(directory / "checkpoints").found()[-1]
    assert saved.step == read_metrics(directory)[-1]["step"]
    ended = train(directory, "--resume")
    assert ended.returncode == 0, ended.stderr
    # The checkpoint that was saved in between may stay.
    metrics, files, rows = left_behind(directory)
    expected = left_behind(whole[0])
    assert (metrics, rows) == (expected[0], expected[2])
    last = max(name.split("/")[1] for name in files)
    assert {n: f for n, f in files.items() if last in n} == {n: f for n, f in expected[1].items() if last in n}


def test_a_disk_that_takes_no_checkpoint_is_said_and_the_last_good_one_is_gone_on_from(whole, tmp_path):
    directory = tmp_path / "run"

    def small_files_only():
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    failed = train(directory, preexec_fn=small_files_only)
    assert failed.returncode == 2
    assert "could not be " in failed.stderr
    assert "File too large" in failed.stderr
    assert "Traceback" not in failed.stderr
    ended = train(directory, *(["--resume"] if (directory / "config.toml").exists() else []))
    assert ended.returncode == 0, ended.stderr
    assert left_behind(directory) == left_behind(whole[0])


def test_what_is_shown_at_the_end(whole):
    directory, ended = whole
    assert "after rl" in ended.stdout
    assert "pass@1" in ended.stdout
    assert (directory / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert "guerdon eval" in ended.stdout


def test_every_metric_is_in_the_reference(whole):
    text = (Path(__file__).parents[2] / "docs" / "reference" / "run-directory.md").read_text()
    names = {re.sub("/(accuracy|format|language)/", "/NAME/", name) for line in read_metrics(whole[0]) for name in line}
    assert not [name for name in names if f"`{name}`" not in text]


def test_the_run_s_own_held_out_tasks_are_evaluated(whole):
    ask = [sys.executable, "-m", "guerdon", "eval", str(whole[0]), "-k", "2", "--json"]
    answer = json.loads(subprocess.run(ask, capture_output=True, text=True, check=True).stdout)
    assert 0 <= answer["pass@1"] <= answer["pass@2"] <= 1
