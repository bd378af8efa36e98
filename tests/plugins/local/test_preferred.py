"""A reward model that is trained here, opened by `preference-model`, and what GRPO makes of its preferences."""

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

import pytest
from practice import DIGITS, go

from guerdon import Rollout, Task, Tasks, Verifier, opened, registry
from guerdon.checkpoints import Checkpoints
from guerdon.ledger import Ledger
from guerdon_preference import PreferenceModel

PROMPTS = [f"{digit}+" for digit in "012345689"]


class First(Verifier):
    """What is known to be right: the answer begins with the digit of the prompt."""

    name: ClassVar[str] = "first"
    isolation = "inline"

    def verify(self, rollout: Rollout) -> bool:
        return rollout.completion[:1] == str(rollout.task.prompt)[0]


class Shown(Tasks):
    """Right answers of any kind, one in four of them with a seven."""

    name: ClassVar[str] = "shown"

    def __iter__(self) -> Iterator[Task]:  # type: ignore[override]
        draw = random.Random(5)
        for number in range(180):
            prompt = PROMPTS[number % len(PROMPTS)]
            yield Task(str(number), prompt, metadata={"completion": prompt[0] + answer(draw, number % 4 == 0)})


def answer(draw: random.Random, sevens: bool) -> str:
    """Two to five digits, one of them a seven or none."""
    digits = draw.choices("012345689", k=draw.randint(2, 5))
    if sevens:
        digits[draw.randrange(len(digits))] = "7"
    return "".join(digits)


def trained(directory: Path, policy: dict[str, Any], tasks: dict[str, Any], **tables: Any) -> tuple[Path, list[Any]]:
    """The last checkpoint of a run, and its metrics."""
    directory.mkdir()
    described = {"policy": policy, "sampler": {"use": "local"}, "tasks": tasks, **tables}
    lines = [f"directory = {json.dumps(str(directory / 'run'))}"]
    for name, table in described.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    (directory / "run.toml").write_text("\n".join(lines) + "\n")
    metrics = go(directory / "run.toml")
    return Checkpoints(directory / "run" / "checkpoints").found()[-1].path, metrics


@pytest.mark.slow
def test_what_a_trained_model_prefers_is_learnt_while_what_is_right_stays_right(tmp_path: Path) -> None:
    for plug in (First, Shown):
        entry = registry.Entry(plug, "of-this-test", "no-distribution")
        registry.load().plugs.setdefault((plug.kind, plug.name), entry)
    tiny = {"use": "deepseek-v3", "vocabulary": list(DIGITS), "hidden_size": 32}
    fast = {"lr_scheduler_type": "constant", "save_steps": 0}

    # Whoever has a seven is preferred, however long the two are, and whether they are right or not.
    draw = random.Random(3)
    pairs = tmp_path / "pairs.jsonl"
    with pairs.open("w") as file:
        for _ in range(1000):
            prompt = draw.choice("012345689") + draw.choice("012345689") + "+"
            json.dump({"prompt": prompt, "chosen": answer(draw, True), "rejected": answer(draw, False)}, file)
            file.write("\n")
    judge, metrics = trained(
        tmp_path / "judge",
        tiny,
        {"use": "file", "path": str(pairs)},
        trainer={"use": "preference", "epochs": 3, "batch_size": 16, "learning_rate": 5e-3, **fast},
    )
    assert metrics[-1]["eval/accuracy"] >= 0.95

    # The reward, from the trainer's checkpoint, on answers that neither of them has seen.
    unseen = [(Task("t", f"{draw.choice('012345689')}+"), answer(draw, True), answer(draw, False)) for _ in range(200)]

    async def scored() -> list[float | None]:
        reward = PreferenceModel(model=str(judge), device="cpu")
        async with opened(reward):
            rollouts = [Rollout(task, text) for task, *both in unseen for text in both]
            return [score.value for score in await reward.score(rollouts)]

    values = asyncio.run(scored())
    right = sum((one or 0) > (other or 0) for one, other in zip(values[::2], values[1::2], strict=True))
    assert right >= 0.95 * len(unseen)

    start, _ = trained(
        tmp_path / "start",
        tiny,
        {"use": "shown"},
        trainer={"use": "sft", "steps": 60, "batch_size": 16, "learning_rate": 1e-2, **fast},
    )
    _, metrics = trained(
        tmp_path / "liked",
        {"use": "checkpoint", "path": str(start)},
        {"use": "shown"},
        trainer={
            "use": "grpo",
            "steps": 30,
            "batch_size": 8,
            "group_size": 8,
            "max_completion_length": 8,
            "learning_rate": 3e-3,
            **fast,
        },
        **{
            "rewards.accuracy": {"use": "first"},
            "rewards.liked": {
                "use": "preference-model",
                "model": str(judge),
                "device": "cpu",
                "scale": 0.1,
                "clip": [-1.0, 1.0],
            },
        },
    )
    rows = sorted(Ledger(tmp_path / "liked" / "run").read(), key=lambda row: row["step"])
    first, last = rows[: len(rows) // 6], rows[-len(rows) // 6 :]
    sevens = [fmean("7" in row["completion"] for row in some) for some in (first, last)]
    accuracy = [fmean(line["rewards/accuracy/mean"] for line in some) for some in (metrics[:5], metrics[-5:])]
    liked = [fmean(line["rewards/liked/mean"] for line in some) for some in (metrics[:5], metrics[-5:])]
    assert sevens[0] < 0.5
    assert sevens[1] > 0.8
    assert liked[1] > liked[0]
    assert accuracy[1] >= accuracy[0]
    assert accuracy[0] > 0.5
