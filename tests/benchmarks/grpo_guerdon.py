"""guerdon's GRPO on the job that a JSON file describes (see grpo_jobs.py), and the CPU seconds of each step.

The same as `guerdon train` with a listener that looks at the clock. Its rewards' processes are counted.
"""

import json
import shutil
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import tomli_w
from cpu import tree_cpu_seconds

from guerdon import Rollout, Verifier, hookimpl, registry
from guerdon.events import Listeners
from guerdon.runfile import load
from guerdon.training import begun, train

REWARDS = {"accuracy": {"use": "boxed-math"}, "format": {"use": "think-tags"}}


class Ones(Verifier):
    """The share of ones, which no group agrees on."""

    name: ClassVar[str] = "ones"
    isolation = "inline"

    def verify(self, rollout: Rollout) -> float:
        return rollout.completion.count("1") / max(len(rollout.completion), 1)


class Clock:
    """The CPU seconds of each step, and what it logged. A plugin like any other.

    A run keeps its last checkpoints only; this keeps all, and the time for that is not counted.
    """

    def __init__(self, directory: Path) -> None:
        self.checkpoints = directory / "checkpoints"
        self.steps: list[float] = []
        self.metrics: list[Mapping[str, float]] = []

    @hookimpl
    def run_started(self) -> None:
        self._since = tree_cpu_seconds()

    @hookimpl
    def step_finished(self, metrics: Mapping[str, float]) -> None:
        self.steps.append(tree_cpu_seconds() - self._since)
        self.metrics.append(metrics)
        self._keep()
        self._since = tree_cpu_seconds()

    @hookimpl
    def run_finished(self) -> None:
        self._keep()

    def _keep(self) -> None:
        for one in self.checkpoints.glob("step-*"):
            kept = self.checkpoints.parent / "kept" / one.name
            if not kept.exists():
                shutil.copytree(one, kept)


def main() -> None:
    """`grpo_guerdon.py JOB.json`"""
    import transformers.models.deepseek_v3.modeling_deepseek_v3  # noqa: F401  # imports count on neither side

    job = json.loads(Path(sys.argv[1]).read_text())
    manager = registry.load().manager
    registry.load().plugs[Ones.kind, Ones.name] = registry.Entry(Ones, "benchmarks", "benchmarks")
    file = load(_run_file(job), [])
    clock = Clock(file.directory)
    manager.register(clock)
    with begun(file, resume=False, overwrite=False):
        train(file, Listeners(manager), lambda _: None, threading.Event())
    facts = {
        "steps": clock.steps,
        "tokens": [metrics["tokens"] for metrics in clock.metrics],
        "rewards": [metrics["reward"] for metrics in clock.metrics],
    }
    print(json.dumps(facts))


def _run_file(job: Mapping[str, Any]) -> Path:
    directory = Path(job["directory"])
    trainer = (
        "steps",
        "batch_size",
        "group_size",
        "max_completion_length",
        "learning_rate",
        "warmup_steps",
        "save_steps",
    )
    tasks = directory.with_suffix(".tasks.jsonl")
    rows = [
        {"id": str(number), "prompt": task["prompt"], "ground_truth": task["gold"]}
        for number, task in enumerate(job["tasks"])
    ]
    tasks.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = {
        "directory": str(directory),
        "seed": job["seed"],
        "policy": {"use": "checkpoint", "path": _endless(job) if job["endless"] else job["model"]},
        "sampler": {"use": "local"},
        "tasks": {"use": "file", "path": str(tasks)},
        "rewards": {"ones": {"use": "ones"}} if job["endless"] else REWARDS,
        "trainer": {
            "use": "grpo",
            "lr_scheduler_type": "constant",
            "epsilon_high": 0.28,
            "bias_update_speed": 0.0,  # TRL does not balance
            "sampling_batch_size": job["batch_size"],  # rewards that take no time are not worth waiting less for
            "tokens_per_micro_batch": 4096,  # as in the recipe; TRL is faster with one micro-batch
            **{option: job[option] for option in trainer},
        },
    }
    path = directory.with_suffix(".toml")
    path.write_text(tomli_w.dumps(table))
    return path


def _endless(job: Mapping[str, Any]) -> str:
    """A copy of the checkpoint that knows no end of a text: its end token is one like any other."""
    copy = Path(job["directory"]).with_suffix(".endless")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(job["model"], copy, ignore=shutil.ignore_patterns("trainer"))
    for name in ("config.json", "generation_config.json", "tokenizer_config.json"):
        facts = json.loads((copy / name).read_text())
        (copy / name).write_text(json.dumps({**facts, "eos_token_id": None, "eos_token": None}))
    return str(copy)


if __name__ == "__main__":
    main()
