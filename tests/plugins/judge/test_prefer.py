"""guerdon prefer, with `judge-pairs` and a real sampler over real sockets."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, choice, completion, fails
from chat_server import says as digits
from judge_server import JudgeServer, answers_of, parts_of, says

from guerdon import Tasks
from guerdon.options import build

TASKS = 12
AT_ONCE = 64
"""Questions that a judge is asked at the same time."""
RUN = """
seed = 5
[tasks]
use = "file"
path = "tasks.jsonl"
[sampler]
use = "openai"
base_url = "{sampler}"
model = "writer"
[rewards.format]
use = "think-tags"
[rewards.better]
use = "judge-pairs"
times = 2
places = "drawn"
cache = "verdicts.sqlite"
judges = [{{ base_url = "{judge}", model = "tiny" }}]
"""


@pytest.fixture
def writer() -> Iterator[ChatServer]:
    """A model that completes every prompt with eight hexadecimal digits."""
    with ChatServer() as one:
        yield one


@pytest.fixture
def at(tmp_path: Path, server: JudgeServer, writer: ChatServer) -> Path:
    (tmp_path / "run.toml").write_text(RUN.format(sampler=writer.url, judge=server.url))
    rows = ({"id": f"t{n}", "prompt": f"task {n}", "domain": "chat"} for n in range(TASKS))
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    # The digit that a text begins with is what it is worth.
    server.rule = lambda parts: {name: worth(parts[name]) for name in "AB"}
    return tmp_path


def worth(text: str) -> int:
    """Of a text of the writer's, and 10 of the harmless one that a judge is tried with."""
    return min(10, int(text[0], 16)) if re.fullmatch("[0-9a-f]{8}", text) else 10


def command(*arguments: str) -> list[str]:
    words = ["prefer", "run.toml", "--out", "pairs.jsonl", *arguments]
    return [sys.executable, "-c", "from guerdon.cli import main; main()", *words]


def prefer(at: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(*arguments), cwd=at, capture_output=True, text=True, timeout=120, check=False)


def rows(at: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (at / "pairs.jsonl").read_text().splitlines()]


def counts(ended: "subprocess.CompletedProcess[str]") -> dict[str, int]:
    found = re.findall(r"^(dropped: .*?|kept) +([\d,]+)$", ended.stdout, re.MULTILINE)
    return {name: int(count) for name, count in found}


def test_clear_pairs_are_kept_with_marks_and_reasons_and_the_others_are_counted(at: Path, server: JudgeServer) -> None:
    ended = prefer(at)
    assert ended.returncode == 0, ended.stderr
    assert len(server.asked) == 4 * TASKS
    for row in rows(at):
        marks = worth(row["chosen"]), worth(row["rejected"])
        assert row["difference"] == marks[0] - marks[1] > 1
        assert len(row["judgments"]) == 4
        for said in row["judgments"]:
            assert (said["mine"]["mark"], said["theirs"]["mark"]) == marks
            assert said["mine"]["reason"] == f"because of {said['stood']}"
        assert row["lengths"] == {"chosen": 8, "rejected": 8}
        assert (row["prompt"], row["domain"]) == (f"task {row['id'][1:]}", "chat")
    counted = counts(ended)
    assert counted["kept"] == len(rows(at)) > 0
    assert sum(counted.values()) == TASKS
    assert counted["dropped: the marks differ by 1 or less"] == TASKS - len(rows(at))
    assert sorted(path.name for path in at.iterdir() if path.name.startswith("pairs")) == ["pairs.jsonl"]


def test_a_likeness_for_the_first_place_alone_makes_no_pair_where_places_are_exchanged(
    at: Path, server: JudgeServer
) -> None:
    server.rule = lambda parts: {"A": 10, "B": 0}
    ended = prefer(at, "--set", "rewards.better.places=exchanged")
    assert ended.returncode == 1
    assert counts(ended) == {
        "dropped: the marks differ by 1 or less": TASKS,
        "dropped: to balance the lengths": 0,
        "kept": 0,
    }


def test_after_kill_9_nothing_is_asked_twice_and_the_file_is_the_same_to_the_bit(
    at: Path, server: JudgeServer, writer: ChatServer
) -> None:
    assert prefer(at, "-k", "3").returncode == 0
    whole = (at / "pairs.jsonl").read_bytes()
    sampled, asked = len(writer.asked), len(server.asked)
    for name in ("pairs.jsonl", "verdicts.sqlite", "verdicts.sqlite-wal", "verdicts.sqlite-shm"):
        (at / name).unlink(missing_ok=True)
    writer.asked.clear()
    server.asked.clear()

    answered = asked - AT_ONCE
    hanging = []

    def hangs(handler: Any, body: dict[str, Any]) -> None:
        hanging.append(body)
        time.sleep(60)

    server.behave = lambda number, _: server.judges if number < answered else hangs
    process = subprocess.Popen(command("-k", "3"), cwd=at, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(hanging) < AT_ONCE and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(1.0)  # what was answered is kept by now
    assert len(hanging) == AT_ONCE
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with open(at / "pairs.jsonl.unfinished.jsonl", "ab") as torn:
        torn.write(b'{"task": 11, "pairs": [{"fir')
    before = [asked_one.body for asked_one in server.asked if asked_one.body not in hanging]
    server.behave = lambda number, _: server.judges
    server.asked.clear()

    assert "was begun and not finished" in prefer(at, "-k", "3").stderr
    assert "changed since: -k" in prefer(at, "-k", "4", "--resume").stderr
    ended = prefer(at, "-k", "3", "--resume")
    assert ended.returncode == 0, ended.stderr
    assert (at / "pairs.jsonl").read_bytes() == whole
    assert len(writer.asked) == sampled
    paid = Counter((*answers_of(body), body["seed"]) for body in [*before, *(one.body for one in server.asked)])
    assert set(paid.values()) == {1}
    assert len(paid) == asked


def test_a_completion_that_makes_the_judge_refuse_is_in_no_pair(at: Path, server: JudgeServer) -> None:
    first = re.compile("^[0-7]")
    server.behave = lambda number, one: (
        says(None, refusal="no") if any(map(first.search, answers_of(one.body))) else server.judges
    )
    ended = prefer(at)
    assert counts(ended)["dropped: the judge gave no verdict on one of them"] > 0
    if ended.returncode == 0:
        assert not [row for row in rows(at) if first.search(row["chosen"] + row["rejected"])]


def test_a_judge_that_is_gone_costs_no_completion_and_resume_goes_on_when_it_is_back(
    at: Path, server: JudgeServer, writer: ChatServer
) -> None:
    server.behave = lambda number, _: fails(401)
    ended = prefer(at)
    assert ended.returncode == 2
    assert f"reward 'better': has no score for {TASKS} tasks in a row: unavailable: " in ended.stderr
    assert "go on with --resume" in ended.stderr
    sampled = len(writer.asked)
    server.behave = lambda number, _: server.judges
    assert prefer(at, "--resume").returncode == 0
    assert rows(at)
    assert len(writer.asked) == sampled


def test_a_task_that_comes_to_no_score_is_counted_and_its_reason_said(at: Path, server: JudgeServer) -> None:
    server.behave = lambda number, one: fails(401) if parts_of(one.body)["task"] == "task 7" else server.judges
    ended = prefer(at)
    assert ended.returncode == 0
    assert counts(ended)["dropped: the task came to no score"] == 1
    assert "no score, as for 't7': unavailable: " in ended.stderr
    assert "t7" not in {row["id"] for row in rows(at)}


def test_pairs_hold_what_the_judge_saw(at: Path, server: JudgeServer, writer: ChatServer) -> None:
    writer.behave = lambda number, _: (
        lambda handler, body: handler.answer(
            completion(body, *(choice(body, place, message=thought(body, place)) for place in range(body.get("n", 1))))
        )
    )
    assert prefer(at).returncode == 0
    for row in rows(at):
        assert re.fullmatch("[0-9a-f]{8}", row["chosen"])
        assert row["lengths"] == {"chosen": 8, "rejected": 8}
    tasks = [*build(Tasks, {"use": "file", "path": str(at / "pairs.jsonl")}, "tasks")]
    read = [{"prompt": task.prompt, **task.metadata} for task in tasks]  # as the trainer `preference` reads them
    assert read == [{name: row[name] for name in ("prompt", "chosen", "rejected")} for row in rows(at)]
    (at / "pairs.jsonl").unlink()
    server.rule = lambda parts: {name: worth(parts[name].removeprefix("<think>no</think>")) for name in "AB"}
    assert prefer(at, "--set", "rewards.better.scope=completion").returncode == 0
    assert all(row["chosen"].startswith("<think>no</think>") for row in rows(at))


def thought(body: dict[str, Any], place: int) -> dict[str, Any]:
    return {"role": "assistant", "content": f"<think>no</think>{digits(body, place)}"}


def test_completions_of_the_run_files_own_policy_are_compared(at: Path, server: JudgeServer) -> None:
    server.rule = lambda parts: {name: min(10, len(parts[name])) for name in "AB"}
    digits = json.dumps(list("0123456789abcdefstk "))
    policy = f'policy={{ use = "deepseek-v3", vocabulary = {digits}, hidden_size = 32 }}'
    ended = prefer(at, "--set", "sampler=local", "--set", policy, "--max-completion-length", "12")
    assert ended.returncode in (0, 1), ended.stderr  # the longer one always wins: balance may leave nothing
    assert sum(counts(ended).values()) == TASKS
    assert len({answers_of(one.body)[0] for one in server.asked}) > 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--reward", "format"], "--reward: no reward that compares is named 'format'; "),
        (["--set", "rewards.better.use=think-tags"], "no such option"),
        (["--set", 'tasks={use="file", path="none.jsonl"}'], "none.jsonl"),
        (["--resume", "--overwrite"], "contradict each other"),
    ],
)
def test_a_mistake_is_one_clear_error(at: Path, arguments: list[str], said: str) -> None:
    ended = prefer(at, *arguments)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert said in ended.stderr
    with contextlib.suppress(FileNotFoundError):
        raise AssertionError((at / "pairs.jsonl").read_text())
