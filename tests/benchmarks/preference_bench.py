"""The reward `preference-model` beside plain transformers, which is called for one answer after the other."""

import asyncio
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from report import Line

from guerdon import Rollout, Task, opened
from guerdon_preference import PreferenceModel

PROMPTS, ANSWERS = 32, 16
SHAPES = ((2, 32), (8, 64), (4, 256))
"""Layers and hidden sizes."""
TEMPLATE = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{{ eos_token }}{% endfor %}"


def preference_lines() -> list[Line]:
    """Speed and agreement, for models of several sizes."""
    import torch

    torch.set_num_threads(1)  # CPU seconds of threads that wait for each other would say nothing
    return [_line(layers, hidden) for layers, hidden in SHAPES]


def _line(layers: int, hidden: int) -> Line:
    with tempfile.TemporaryDirectory() as directory:
        weights = made(Path(directory), layers, hidden)
        rollouts = answers()
        plain, theirs = plainly(directory, rollouts)
        found, ours = asyncio.run(rewarded(directory, rollouts))
    apart = max(abs(one - other) for one, other in zip(plain, found, strict=True))
    return Line(
        f"preference model of {weights / 1e6:.2g} M weights, {len(rollouts)} answers on a CPU",
        f"{ours:.2f} CPU-s; scores {apart:.0e} apart at most",
        f"transformers one by one {theirs:.2f} CPU-s",
        f"{theirs / ours:.1f} ×",
        "≥ 3 ×, ≤ 1e-5",
        theirs >= 3 * ours and apart <= 1e-5,
    )


def made(directory: Path, layers: int, hidden: int) -> int:
    """A random reward model; how many weights it has."""
    import torch
    from transformers import Qwen2Config, Qwen2ForSequenceClassification

    from guerdon_local.tokenizer import PRINTABLE, build

    tokenizer = build(PRINTABLE)
    tokenizer.chat_template = TEMPLATE
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=4 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 16,
        num_key_value_heads=hidden // 32,
        max_position_embeddings=1024,
        num_labels=1,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(0)
    module = Qwen2ForSequenceClassification(config)
    module.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return sum(part.numel() for part in module.parameters())


def answers() -> list[Rollout]:
    """Of 10 to 200 characters, each a token, to prompts of 20 to 80."""
    draw = random.Random(0)

    def text(longest: int, shortest: int) -> str:
        return "".join(draw.choices("abcdefghij", k=draw.randint(shortest, longest)))

    tasks = [Task(str(number), text(80, 20)) for number in range(PROMPTS)]
    return [Rollout(task, text(200, 10)) for task in tasks for _ in range(ANSWERS)]


def plainly(directory: str, rollouts: list[Rollout]) -> tuple[list[float], float]:
    """What plain transformers says, and its CPU seconds."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    module: Any = AutoModelForSequenceClassification.from_pretrained(directory).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)

    def logit(rollout: Rollout) -> float:
        asked, said = ({"role": "user", "content": rollout.task.prompt}, {"role": "assistant", "content": rollout.text})
        inputs = tokenizer.apply_chat_template([asked, said], return_tensors="pt", return_dict=True)
        with torch.inference_mode():
            return float(module(**inputs).logits[0, 0])

    logit(rollouts[0])
    begun = time.process_time()
    return [logit(rollout) for rollout in rollouts], time.process_time() - begun


async def rewarded(directory: str, rollouts: list[Rollout]) -> tuple[list[float], float]:
    """What the reward says, and its CPU seconds."""
    reward = PreferenceModel(model=directory, device="cpu", clip=(-1e9, 1e9))
    async with opened(reward):
        await reward.score(rollouts[:8])
        begun = time.process_time()
        scores = await reward.score(rollouts)
        seconds = time.process_time() - begun
    return [score.evidence["logit"] for score in scores], seconds
