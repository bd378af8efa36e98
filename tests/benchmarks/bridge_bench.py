"""What the bridge into OpenRLHF adds to a rollout: from the engine's answer to the executor's."""

import asyncio
import importlib.util
import json
import random
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median, quantiles
from types import SimpleNamespace
from typing import Any

from report import Line

from guerdon import Task
from guerdon_local.deepseek_v3 import DeepseekV3
from guerdon_openrlhf.places import Places
from guerdon_openrlhf.prompts import tokenizer_of

QUESTIONS, GROUP, LONGEST_SECONDS = 32, 16, 10.0
"""DeepSeek-R1's rollouts of a step, sampled rather quickly."""
RUN = """
directory = "{place}"

[policy]
use = "deepseek-v3"

[tasks]
use = "sums"

{rewards}

[trainer]
use = "openrlhf"
gpus_per_node = 1
"""
CHEAP = """
[rewards.format]
use = "think-tags"

[rewards.repetition]
use = "repetition"
"""
IN_A_WORKER = """
[rewards.accuracy]
use = "boxed-math"
"""


class Engine:
    """Answers after a while, as an engine does that is at work on many completions."""

    def __init__(self, tokenizer: Any) -> None:
        self.chance = random.Random(0)
        texts = ["<think>" + "1+2=3 " * steps + "</think><answer>\\boxed{3}</answer>" for steps in range(10, 80)]
        self.completions = [tokenizer.encode(text, add_special_tokens=False) for text in texts]
        self.answered: dict[int, float] = {}

    async def generate(self, ids: list[int], params: Any) -> Any:
        """A completion of 70 to 490 tokens."""
        await asyncio.sleep(self.chance.uniform(0.1, LONGEST_SECONDS))
        tokens = self.chance.choice(self.completions)
        answer = SimpleNamespace(token_ids=tokens, finish_reason="stop", logprobs=None)
        self.answered[id(asyncio.current_task())] = time.perf_counter()
        return SimpleNamespace(outputs=[answer])


def bridge_lines() -> list[Line]:
    """The latency of a rollout with two cheap rewards, which are in this process, and with one more in a worker."""
    what = "bridge into OpenRLHF, added to a rollout"
    cheap = _line(f"{what}, two cheap rewards", CHEAP)
    worker = _line(f"{what}, and one in a worker", CHEAP + IN_A_WORKER)
    return [cheap, worker]


def _line(what: str, rewards: str) -> Line:
    with tempfile.TemporaryDirectory() as directory:
        seconds = asyncio.run(_latencies(Path(directory), rewards))
    middle, high = 1e3 * median(seconds), 1e3 * quantiles(seconds, n=100)[98]
    said = f"{middle:.2f} ms, 99th percentile {high:.1f} ms"
    return Line(f"{what}, {len(seconds)}", said, "", "", "< 2 ms median", middle < 2)


async def _latencies(place: Path, rewards: str) -> list[float]:
    (place / "config.toml").write_text(RUN.format(place=place, rewards=rewards))
    places = Places(place / "stages" / "train")
    places.prepare(place / "config.toml", "train")
    spec = importlib.util.spec_from_file_location("agent_module", places.agent)
    assert spec is not None
    assert spec.loader is not None
    agent = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(agent)
    executor, tokenizer = agent.AgentExecutor(), tokenizer_of(DeepseekV3().checkpoint(place / "policy"))
    engine, sampling = Engine(tokenizer), SimpleNamespace(max_tokens=600, logprobs=None)

    async def one(label: str) -> float:
        await executor.execute("1+2=?", label, sampling, 700, tokenizer, engine)
        return time.perf_counter() - engine.answered[id(asyncio.current_task())]

    def label(number: int) -> str:
        task = Task(str(number), "1+2=?", 3, "math", "en")
        return json.dumps({"question": number, "prefill": "", "task": asdict(task)})

    await asyncio.gather(*(one(label(-1)) for _ in range(GROUP)))  # workers start when they are first needed
    seconds = await asyncio.gather(*(one(label(number)) for number in range(QUESTIONS) for _ in range(GROUP)))
    executor.bridge.judging.judges.close()
    return list(seconds)
