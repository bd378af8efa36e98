"""`guerdon eval` of a model behind an API, in a process of its own, as a user starts it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from chat_server import ChatServer, changed, fails

KEY = "sk-very-secret-0123456789"
RUN = """
[sampler]
use         = "openai"
base_url    = "{url}"
model       = "org/tiny"
api_key_env = "TESTS_KEY"
cache       = "completions.sqlite"
max_retries = 1

[rewards.accuracy]
use = "boxed-math"
"""

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def guerdon(tmp_path: Path, server: ChatServer) -> Command:
    (tmp_path / "api.toml").write_text(RUN.format(url=server.url))
    tasks = [{"id": f"t{number}", "prompt": f"{number}+1=?", "ground_truth": str(number + 1)} for number in range(4)]
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "guerdon", *words],
            cwd=tmp_path,
            env={**os.environ, "TESTS_KEY": KEY},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert KEY not in done.stdout + done.stderr
        assert not [file for file in tmp_path.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]
        return done

    return run


EVAL = ("eval", "--file", "api.toml", "--tasks", "tasks.jsonl", "--correct", "accuracy")


def test_a_model_behind_an_api_is_evaluated_and_asked_once(server: ChatServer, guerdon: Command) -> None:
    server.behave = lambda *_: changed(
        message={"role": "assistant", "content": r"\boxed{3}", "reasoning_content": "2+1 is 3"}
    )
    done = guerdon(*EVAL, "-k", "2", "--json", "--out", "out.jsonl")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["checkpoint"], said["samples"], said["pass@1"]) == ("org/tiny", 8, 0.25)
    assert "org/tiny: 4 tasks × 2" in done.stderr
    assert len(server.asked) == 8
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {KEY}"}
    again = guerdon(*EVAL, "-k", "2", "--json")
    assert json.loads(again.stdout)["pass@1"] == 0.25
    assert len(server.asked) == 8


@pytest.mark.slow
def test_what_fails_is_one_clear_error(server: ChatServer, guerdon: Command) -> None:
    server.behave = lambda *_: fails(401, f"Incorrect API key provided: {KEY}")
    done = guerdon(*EVAL)
    assert done.returncode == 2
    error = done.stderr[done.stderr.index("error: ") :]
    assert error.startswith("error: task 't")
    assert "TESTS_KEY; see whether that is the right one; what was completed is kept in completions.sqlite" in error
    assert len(error.splitlines()) == 1


@pytest.mark.slow
def test_a_checkpoint_is_not_evaluated_by_a_model_behind_an_api(server: ChatServer, guerdon: Command) -> None:
    done = guerdon("eval", "my-checkpoint", *EVAL[1:])
    assert done.returncode == 2
    assert "'openai' samples from org/tiny, and from no checkpoint; leave my-checkpoint out" in done.stderr
    assert not server.asked


@pytest.mark.slow
def test_without_an_api_it_is_said_what_is_evaluated(guerdon: Command) -> None:
    done = guerdon(*EVAL, "--set", "sampler={ use = 'local' }")
    assert done.returncode == 2
    assert "RUN|CHECKPOINT: says what is evaluated, for 'local' samples from what it is given" in done.stderr
    assert "RUN|CHECKPOINT: says what is evaluated; name a run" in guerdon("eval").stderr
