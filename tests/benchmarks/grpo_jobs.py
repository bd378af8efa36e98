"""The same GRPO job for guerdon and for TRL, each in a process of its own with one thread."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import tomli_w

from guerdon_r1.sums import Sums

HERE = Path(__file__).parent
RECIPE = "cold-start-rl"


@dataclass(frozen=True)
class Job:
    """What both train: from this checkpoint, on these tasks, with these options, and all else equal.

    `endless`: every completion has `max_completion_length` tokens, and a reward that no group agrees on. Otherwise
    completions end where they do, and are paid for the right answer and for the format.
    """

    model: str
    directory: str
    tasks: list[dict[str, Any]]
    steps: int
    endless: bool = False
    batch_size: int = 32
    group_size: int = 8
    max_completion_length: int = 40
    learning_rate: float = 5e-4
    warmup_steps: int = 10
    save_steps: int = 0
    seed: int = 1


@dataclass(frozen=True)
class Trained:
    """CPU seconds, completion tokens and the mean reward of each step."""

    steps: list[float]
    tokens: list[float]
    rewards: list[float]
    directory: Path = field(default=Path())


def sums(count: int) -> list[dict[str, Any]]:
    """Tasks of the recipe's kind."""
    return [{"prompt": task.prompt, "gold": task.ground_truth} for task in Sums(size=count, seed=3)]


def with_trl(job: Job, peers: str) -> Trained:
    """The job done by TRL, in the environment of the peers."""
    return _trained(job, [peers, str(HERE / "peers" / "grpo_trl.py")])


def with_guerdon(job: Job) -> Trained:
    """The job done by `guerdon train`, with its rewards' processes."""
    return _trained(job, [sys.executable, str(HERE / "grpo_guerdon.py")])


def cold_start(directory: Path) -> Path:
    """The checkpoint that reinforcement learning begins with in the recipe `cold-start-rl`."""
    table = recipe(RECIPE)
    table["stages"] = [stage for stage in table["stages"] if stage["trainer"]["use"] == "sft"]
    del table["evaluation"]
    guerdon = Path(sys.executable).parent / "guerdon"
    _done([str(guerdon), "train", str(run_file(table, directory)), "--overwrite"], {})
    return max((directory / "checkpoints").glob("step-*"))


def recipe(name: str) -> dict[str, Any]:
    """A recipe's run file."""
    guerdon = Path(sys.executable).parent / "guerdon"
    said = subprocess.run([guerdon, "recipe", name], capture_output=True, text=True, check=True)
    return tomllib.loads(said.stdout)


def run_file(table: Mapping[str, Any], directory: Path) -> Path:
    """Write a run file whose run will be in this directory, beside it."""
    path = directory.with_suffix(".toml")
    path.write_text(tomli_w.dumps({**table, "directory": str(directory)}))
    return path


def _trained(job: Job, command: list[str]) -> Trained:
    directory = Path(job.directory)
    shutil.rmtree(directory, ignore_errors=True)
    directory.parent.mkdir(parents=True, exist_ok=True)
    path = directory.with_suffix(".json")
    path.write_text(json.dumps(asdict(job)))
    said = _done([*command, str(path)], {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"})
    return Trained(**json.loads(said.splitlines()[-1]), directory=directory)


def _done(command: list[str], environment: Mapping[str, str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-4000:]}")
    return done.stdout
