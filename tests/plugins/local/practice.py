"""A tiny policy's practice: tasks that any completion answers, and rewards that a few steps can learn to earn."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from guerdon import LiveModel, Rollout, Sampling, Task, Tasks, Unavailable, Verifier, registry
from guerdon.errors import Interrupted
from guerdon.events import Listeners
from guerdon.journal import read_metrics
from guerdon.runfile import load
from guerdon.training import begun, train
from guerdon_local import LocalSampler

DIGITS = tuple("0123456789+= ")


class Prompts(Tasks):
    """Sums to answer, each with a demonstration."""

    name: ClassVar[str] = "prompts"
    count: int = 12
    demonstrated: bool = True
    length: int = 1
    """How often a demonstration says its answer."""
    ragged: bool = False
    """Some prompts are longer than others."""

    def __iter__(self) -> Iterator[Task]:  # type: ignore[override]
        for i in range(self.count):
            metadata = {"completion": f"{i % 10}={i % 10}" * self.length} if self.demonstrated else {}
            before = "0+" * (i % 4) if self.ragged else ""
            yield Task(f"task {i}", f"{before}{i % 10}+{i // 10}=", metadata=metadata)


class Sevens(Verifier):
    """The share of sevens. Where it is told to, it has no score for some rollouts, or the same for all."""

    name: ClassVar[str] = "sevens"
    isolation = "inline"
    mute: str = ""
    """A completion that begins with one of these characters gets no score; "*" for none at all."""
    constant: str = ""
    """All completions of a task whose id ends in one of these characters are worth the same."""

    def verify(self, rollout: Rollout) -> float:
        if self.mute == "*" or (rollout.completion and rollout.completion[0] in self.mute):
            raise Unavailable("this reward does not like how it begins")
        if rollout.task.id[-1] in self.constant:
            return 0.1
        return rollout.completion.count("7") / max(len(rollout.completion), 1)


class Liked(Sevens):
    """As `Sevens`, and as if a model said so."""

    name: ClassVar[str] = "sevens-liked"
    model_based: ClassVar[bool] = True


class Slow(Verifier):
    """As `Sevens`, after a while."""

    name: ClassVar[str] = "slow"
    seconds: float = 0.5

    async def verify(self, rollout: Rollout) -> float:
        await asyncio.sleep(self.seconds)
        return rollout.completion.count("7") / max(len(rollout.completion), 1)


class OneByOne(Slow):
    """As `Slow`, one rollout after the other."""

    name: ClassVar[str] = "one-by-one"
    concurrency: ClassVar[int] = 1


class Unhurried(LocalSampler):
    """Samples as large models do: slowly."""

    name: ClassVar[str] = "unhurried"

    async def sample(
        self, model: LiveModel | Path, tasks: Sequence[Task], group_size: int, sampling: Sampling
    ) -> list[list[Rollout]]:
        await asyncio.sleep(0.35)
        return await super().sample(model, tasks, group_size, sampling)


class Stingy(LocalSampler):
    """Keeps something back."""

    name: ClassVar[str] = "stingy"
    keeps: str = ""

    async def sample(
        self, model: LiveModel | Path, tasks: Sequence[Task], group_size: int, sampling: Sampling
    ) -> list[list[Rollout]]:
        groups = await super().sample(model, tasks, group_size, sampling)
        if self.keeps == "everything":
            return []
        if self.keeps == "a completion":
            return [groups[0][1:], *groups[1:]]
        if self.keeps == "log-probabilities":
            return [[replace(one, logprobs=None) for one in group] for group in groups]
        return [[replace(one, logprobs=(one.logprobs or ())[1:]) for one in group] for group in groups]


PLUGS = (Prompts, Sevens, Liked, Slow, OneByOne, Unhurried, Stingy)


def registered() -> None:
    """Make them known to run files, in this process."""
    for plug in PLUGS:
        registry.load().plugs.setdefault(
            (plug.kind, plug.name), registry.Entry(plug, "of-this-test", "no-distribution")
        )


def run_file(directory: Path, trainer: Mapping[str, Any], **rewards: Any) -> Path:
    """A run file, and what it leaves unsaid: a policy of 30,000 weights and its sampler."""
    path = directory / "run.toml"
    directory.mkdir(parents=True, exist_ok=True)
    table = {"use": "grpo", "batch_size": 4, "group_size": 4, "max_completion_length": 8, **trainer}
    if table["use"] == "sft":
        table = {"batch_size": 4, **trainer}
    options = "\n".join(f"{key} = {json.dumps(value)}" for key, value in table.items())
    terms = rewards or {"sevens": {"use": "sevens"}}
    tasks = terms.pop("tasks", {})
    path.write_text(
        f"""
directory = {json.dumps(str(directory / "run"))}
[policy]
use = "deepseek-v3"
vocabulary = {json.dumps(list(DIGITS))}
hidden_size = 32
[sampler]
use = "local"
[tasks]
use = "prompts"
"""
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in tasks.items())
        + "".join(
            f"[rewards.{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in term.items())
            for name, term in terms.items()
        )
        + f"[trainer]\n{options}\n"
    )
    return path


class Stopping(Listeners):
    """Presses Ctrl-C after a step."""

    stop_after: int | None = None
    pressed: threading.Event

    def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
        """The trainer has said so."""
        if step == self.stop_after:
            self.pressed.set()


def go(file: Path, *, resume: bool = False, stop_after: int | None = None) -> list[dict[str, Any]]:
    """Train in this process. The metrics of the run."""
    registered()
    described = load(file, [])
    listeners = Stopping(registry.load().manager)
    listeners.stop_after, listeners.pressed = stop_after, threading.Event()
    with begun(described, resume=resume, overwrite=False):
        try:
            train(described, listeners, lambda _: None, listeners.pressed)
        except Interrupted:
            assert stop_after is not None
    return read_metrics(described.directory)


def untimed(metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All that two runs with one seed have in common."""
    return [{name: value for name, value in line.items() if not name.startswith("time/")} for line in metrics]
