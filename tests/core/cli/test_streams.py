"""Standard output that cannot be written: one clear error, or a quiet end, and never a traceback."""

import os
import subprocess
import sys

import pytest

GUERDON = "from guerdon.cli import main; main()"
COMMANDS = [["plugins"], ["--help"], ["show", "described"]]


def run(place, *arguments, out=None, before=None):
    return subprocess.run(
        [sys.executable, "-c", GUERDON, *arguments],
        check=False, stdout=out, stderr=subprocess.PIPE, text=True, cwd=place.directory, preexec_fn=before,
        env={**os.environ, "PYTHONPATH": str(place.sites[0])},
    )  # fmt: skip


@pytest.fixture
def closed_pipe():
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_full_disk_under_standard_output_is_one_clear_error(place, arguments):
    with open("/dev/full", "w") as full:
        ended = run(place, *arguments, out=full)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: standard output: cannot be written: No space left on device")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", COMMANDS)
def test_standard_output_that_is_closed_is_one_clear_error(place, arguments):
    ended = run(place, *arguments, before=lambda: os.close(1))
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: standard output: is closed; ")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_reader_who_has_read_enough_ends_it_quietly(place, arguments, closed_pipe):
    ended = run(place, *arguments, out=closed_pipe)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_a_scoring_that_is_on_disk_succeeds_without_a_reader(place, closed_pipe):
    place.write("mix.toml", '[rewards.length]\nuse = "slow"\n')
    place.rollouts([{"prompt": "p", "completion": "x"}])
    ended = run(place, "score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl", out=closed_pipe)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert len(place.rows("scored.jsonl")) == 1
    assert run(place, "score", "mix.toml", "rollouts.jsonl", out=closed_pipe).returncode == 141


def test_messages_that_cannot_be_written_do_not_stop_a_scoring(place):
    place.write("mix.toml", '[rewards.length]\nuse = "slow"\n')
    place.rollouts([{"prompt": "p", "completion": "x", "score": 1}])
    for before in (lambda: os.close(2), lambda: os.dup2(os.open("/dev/full", os.O_WRONLY), 2)):
        arguments = ("score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl", "--overwrite")
        assert run(place, *arguments, out=subprocess.DEVNULL, before=before).returncode == 0
