"""The reward `judge` against a server that takes its time: how near it comes to its limits, and what faults cost it."""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from report import Line

from guerdon import Mixture, Rollout, Task, Term
from guerdon_judge import Judge, JudgeModel

AT_ONCE, SECONDS, WAVES = 64, 0.2, 20
RATE_SECONDS = 30
TASK = Task("t", "What is 6 x 7?", ground_truth="42")


def judge_lines() -> list[Line]:
    """Throughput, limits and faults."""
    return [_throughput(), _rate("requests_per_minute", 3000, 1), _rate("tokens_per_minute", 60_000, 100), *_faults()]


def _throughput() -> Line:
    count = AT_ONCE * WAVES
    with served(SECONDS) as url:
        judged(url, AT_ONCE * 2)
        facts(url)
        _, seconds = judged(url, count)
        most = facts(url)["most_at_once"]
        bare = WAVES * SECONDS / asyncio.run(_barely(url, count))
    share = WAVES * SECONDS / seconds
    return Line(
        f"judge: {count} questions to a server that takes {SECONDS * 1000:.0f} ms, limit {AT_ONCE} at once",
        f"{share:.1%} of the limit's ideal; {most} at once at most",
        f"{bare:.1%} (aiohttp alone)",
        f"{share / bare:.2f}",
        f"≥ 90 %, never above {AT_ONCE}",
        share >= 0.9 and most <= AT_ONCE,
    )


async def _barely(url: str, count: int) -> float:
    """How long as many requests of the same size take that nobody prepares and nobody reads."""
    from aiohttp import ClientSession, TCPConnector

    question = 'BEGIN answer 0\nx\nEND answer 0 {"canary": "0"}' + "x" * 2000
    body = json.dumps({"messages": [{"content": question}]}).encode()
    left = iter(range(count))
    async with ClientSession(connector=TCPConnector(limit=0)) as session:

        async def work() -> None:
            for _ in left:
                async with session.post(f"{url}/chat/completions", data=body) as answer:
                    await answer.read()

        begun = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        return time.perf_counter() - begun


def _rate(option: str, per_minute: int, each: int) -> Line:
    allowed = per_minute * RATE_SECONDS // 60 // each
    with served(SECONDS) as url:
        judged(url, int(allowed * 1.1), **{option: per_minute})
        arrived = facts(url)["arrived"]
    within = sum(at - arrived[0] < RATE_SECONDS for at in arrived)
    share = within / allowed
    return Line(
        f"judge: `{option} = {per_minute}` over {RATE_SECONDS} s",
        f"{share:.1%} of the limit",
        "",
        "",
        "98 to 102 %",
        0.98 <= share <= 1.02,
    )


def _faults() -> list[Line]:
    with served(0.02, faulty=True) as url, tempfile.TemporaryDirectory() as directory:
        cache = Path(directory) / "verdicts"
        scores, _ = judged(url, 1000, cache=cache)
        first = facts(url)
        again, _ = judged(url, 1000, cache=cache)
        second = facts(url)
    scored = sum(score.value is not None for score in scores)
    told_apart = sum(score.value is None and bool(score.reason) for score in scores)
    equal = sum(one.value == other.value for one, other in zip(scores, again, strict=True))
    twice = sum(count > 1 for count in first["verdicts"].values())
    return [
        Line(
            "judge: 1000 samples, 20 % errors, 10 % cut connections, 10 % no verdict",
            f"{scored} scored, {sum(score.value == 0 and 'no verdict' in score.reason for score in scores)} of them "
            f"blamed, {told_apart} told apart; {twice} verdicts paid for twice",
            "",
            "",
            "each ends in a score or a told-apart abstention, none twice",
            scored + told_apart == 1000 and not twice,
        ),
        Line(
            "judge: the same, resumed",
            f"{len(second['arrived'])} requests, {equal} of 1000 scores equal",
            "",
            "",
            "only what had no score is asked for",
            len(second["arrived"]) == 0 or scored < 1000,
        ),
    ]


def judged(url: str, count: int, cache: Path | None = None, **options: Any) -> tuple[list[Any], float]:
    """The scores of so many completions, and how long they took."""
    reward = Judge(judges=(JudgeModel(base_url=url, model="m", concurrency=AT_ONCE, **options),), cache=cache)
    rollouts = [Rollout(TASK, f"It is {number}.") for number in range(count)]
    with Mixture([Term("judged", reward)], workers=1) as mixture:
        begun = time.perf_counter()
        totals = mixture.submit(rollouts).result()
        seconds = time.perf_counter() - begun
    return [total.terms["judged"].score for total in totals], seconds


@contextmanager
def served(seconds: float, faulty: bool = False) -> Iterator[str]:
    """A judge in a process of its own."""
    script = Path(__file__).with_name("judge_server.py")
    command = [sys.executable, str(script), str(seconds), "faulty" if faulty else "honest"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.wait()


def facts(url: str) -> dict[str, Any]:
    """What the judge has seen since it was last asked."""
    with urllib.request.urlopen(url) as answer:
        return dict(json.load(answer))
