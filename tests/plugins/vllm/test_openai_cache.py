"""The cache of the sampler `openai`: nothing is paid for twice, whatever ended a run."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, fails, slow

from guerdon import DataError, GuerdonError, Rollout, Sampling, Task, opened
from guerdon_vllm import OpenaiSampler

TASKS = [Task(f"t{number}", f"{number}+{number}=?") for number in range(8)]
SCRIPT = """
import asyncio, sys
from pathlib import Path
from guerdon import Sampling, Task, opened
from guerdon_vllm import OpenaiSampler

async def work():
    sampler = OpenaiSampler(base_url=sys.argv[1], model="tiny", cache=Path(sys.argv[2]), concurrency=2)
    async with opened(sampler):
        tasks = [Task(f"t{number}", f"{number}+{number}=?") for number in range(30)]
        for group in await sampler.sample(Path("-"), tasks, 2, Sampling(seed=1)):
            print([rollout.completion for rollout in group])

asyncio.run(work())
"""


def sample(
    server: ChatServer, cache: Path | None, tasks: list[Task] = TASKS, size: int = 2, seed: int = 0, **options: Any
) -> list[list[Rollout]]:
    async def work() -> list[list[Rollout]]:
        sampler = OpenaiSampler(base_url=server.url, model=options.pop("model", "tiny"), cache=cache, **options)
        async with opened(sampler):
            return await sampler.sample(Path("-"), tasks, size, Sampling(seed=seed))

    return asyncio.run(work())


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "completions.sqlite"


def test_what_was_asked_once_is_not_asked_again(server: ChatServer, cache: Path) -> None:
    first = sample(server, cache)
    assert len(server.asked) == 16
    assert sample(server, cache) == first
    assert sample(server, cache, TASKS[::-1]) == first[::-1]
    assert len(server.asked) == 16


def test_only_what_is_missing_is_asked_for(server: ChatServer, cache: Path) -> None:
    first = sample(server, cache, TASKS[:4])
    more = sample(server, cache, TASKS, 3)
    assert len(server.asked) == 24
    assert [group[:2] for group in more[:4]] == first
    assert sample(server, None, TASKS, 3) == more, "a cache changes nothing but what is asked"


@pytest.mark.parametrize(
    "other",
    [
        {"seed": 1},
        {"model": "another"},
        {"endpoint": "completions"},
        {"logprobs": True},
        {"extra_body": {"top_k": 5}},
        {"leave_out": ("top_p",)},
    ],
)
def test_another_request_is_another_completion(server: ChatServer, cache: Path, other: dict[str, Any]) -> None:
    sample(server, cache)
    sample(server, cache, **other)
    assert len(server.asked) == 32


@pytest.mark.parametrize(
    "other", [{"concurrency": 1}, {"completions_per_request": 2}, {"timeout": 5.0}, {"requests_per_minute": 1000}]
)
def test_how_it_is_asked_makes_no_other_completion(server: ChatServer, cache: Path, other: dict[str, Any]) -> None:
    first = sample(server, cache)
    assert sample(server, cache, **other) == first
    assert len(server.asked) == 16


def test_after_a_failure_it_goes_on_where_it_was(server: ChatServer, cache: Path) -> None:
    server.behave = lambda number, asked: fails(401) if number >= 10 else None
    with pytest.raises(GuerdonError, match="is kept in"):
        sample(server, cache, concurrency=1)
    server.behave = lambda number, asked: None
    groups = sample(server, cache)
    assert len(server.asked) == 11 + 6
    assert groups == sample(server, None)


@pytest.mark.slow
def test_after_a_kill_it_goes_on_where_it_was(server: ChatServer, cache: Path, tmp_path: Path) -> None:
    server.behave = lambda *_: slow(0.05)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), server.url, str(cache)]
    for _ in range(2):
        before = len(server.asked)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while len(server.asked) < before + 12:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.2)  # what the server still writes
    subprocess.run(command, check=True, stdout=subprocess.PIPE)
    times = Counter((asked.prompt, asked.body["seed"]) for asked in server.asked)
    assert len(times) == 60
    # two at a time were under way when each of the two kills came
    assert sum(times.values()) - 60 <= 4
    before = len(server.asked)
    subprocess.run(command, check=True, stdout=subprocess.PIPE)
    assert len(server.asked) == before


@pytest.mark.slow
def test_two_processes_may_share_one(server: ChatServer, cache: Path, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), server.url, str(cache)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    one, other = (process.communicate(timeout=60)[0] for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert one == other
    assert one.count("\n") == 30


def test_a_file_that_is_no_cache(server: ChatServer, cache: Path) -> None:
    cache.write_text("something else, of the user's\n" * 100)
    with pytest.raises(DataError, match="cannot be used as a cache: file is not a database; name another file"):
        sample(server, cache)
    assert cache.read_text().startswith("something else")


def test_a_database_that_holds_something_else(server: ChatServer, cache: Path) -> None:
    with sqlite3.connect(cache) as database:
        database.execute("CREATE TABLE completions (id INTEGER)")
    with pytest.raises(DataError, match="cannot be used as a cache: no such column"):
        sample(server, cache)


def test_a_directory_that_is_not_there(server: ChatServer, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no directory"):
        sample(server, tmp_path / "nowhere" / "cache")


def test_a_cache_that_can_no_longer_be_written_ends_it_clearly(server: ChatServer, cache: Path) -> None:
    async def work() -> None:
        sampler = OpenaiSampler(base_url=server.url, model="tiny", cache=cache, concurrency=1)
        async with opened(sampler):
            assert sampler._live is not None
            sampler._live[1]._database.execute("PRAGMA query_only = ON")  # type: ignore[union-attr]
            await sampler.sample(Path("-"), TASKS, 2, Sampling())

    with pytest.raises(DataError, match="readonly"):
        asyncio.run(work())
    assert len(server.asked) == 1, "nothing more is paid for that cannot be kept"
