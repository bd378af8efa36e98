"""guerdon score, interrupted: what was scored is on disk, and --resume goes on from there."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from guerdon.rows import read_rows
from guerdon.scoring import CHUNK_ROLLOUTS

from .conftest import Place

ROWS = 1300
SCORE = ("score", "mix.toml", "rollouts.jsonl", "--workers", "8")
LENGTH = '[rewards.length]\nuse = "slow"\n'
WITH_GROUPS = LENGTH + 'weight = 0\n[rewards.longest]\nuse = "longest"\n'


def prepared(directory: Path, site: Path) -> Place:
    place = Place(directory, site)
    place.write("mix.toml", LENGTH)
    place.rollouts({"prompt": "p", "completion": "x" * (n % 11), "group": n // 5} for n in range(ROWS))
    return place


@pytest.fixture
def at(tmp_path: Path, site: Path) -> Place:
    return prepared(tmp_path, site)


def stop(at: Place, how: int, out: str) -> "subprocess.CompletedProcess[str]":
    """Start a scoring that takes seconds, and stop it once a chunk is on disk."""
    process = at.start(*SCORE, "--out", out, SECONDS="0.01")
    file = at / (out if out.endswith(".jsonl") else f"{out}.unfinished.jsonl")
    until = time.monotonic() + 30
    while not (file.exists() and file.read_bytes().count(b"\n") >= CHUNK_ROLLOUTS) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(how)
    output, errors = process.communicate(timeout=30)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


@pytest.fixture(scope="module")
def stopped_once(tmp_path_factory: pytest.TempPathFactory, site: Path) -> Path:
    place = prepared(tmp_path_factory.mktemp("stopped"), site)
    assert stop(place, signal.SIGINT, "scored.jsonl").returncode == 130
    return place.directory


@pytest.fixture
def stopped(stopped_once: Path, tmp_path: Path, site: Path) -> Place:
    """A scoring into scored.jsonl that was interrupted."""
    return Place(shutil.copytree(stopped_once, tmp_path / "stopped"), site)


def finish(at: Place, out: object) -> "subprocess.CompletedProcess[str]":
    ended = at.guerdon(*SCORE, "--out", out, "--resume")
    assert ended.returncode == 0, ended.stderr
    return ended


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_a_scoring_that_was_stopped_goes_on_and_ends_as_if_it_never_was(at, without_times, how, suffix):
    stopped = stop(at, how, f"scored.{suffix}")
    if how == signal.SIGINT:
        assert stopped.returncode == 130
        assert f"guerdon {' '.join(SCORE)} --out scored.{suffix} --resume" in stopped.stderr
        assert "Traceback" not in stopped.stderr
    resumed = finish(at, f"scored.{suffix}")
    assert "are scored already" in resumed.stderr
    whole = at.guerdon(*SCORE, "--out", f"whole.{suffix}")
    rows = [without_times([row for _, row in read_rows(at / f"{name}.{suffix}")]) for name in ("scored", "whole")]
    assert rows[0] == rows[1]
    assert len(rows[0]) == ROWS
    summaries = [ended.stdout.splitlines() for ended in (resumed, whole)]
    assert summaries[0][0] == summaries[1][0]
    assert summaries[0][-2] == summaries[1][-2]  # the groups
    names = {"mix.toml", "rollouts.jsonl", f"scored.{suffix}", f"whole.{suffix}"}
    assert {path.name for path in at.directory.iterdir()} == names


def test_no_worker_outlives_a_scoring_that_was_killed(at):
    stop(at, signal.SIGKILL, "scored.jsonl")
    until = time.monotonic() + 5
    while (left := processes_in(at.directory)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not left


def processes_in(directory: Path) -> list[str]:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd") == str(directory):
                found.append(pid)
        except OSError:
            pass
    return found


@pytest.mark.parametrize("torn", [b'{"prompt": "p", "comp', b'{"prompt"\n', b"\0\0\0\0", b"3\n"])
def test_a_torn_last_line_is_scored_again(stopped, torn):
    with (stopped / "scored.jsonl").open("ab") as file:
        file.write(torn)
    finish(stopped, "scored.jsonl")
    assert [row["score"] for row in stopped.rows("scored.jsonl")] == [n % 11 for n in range(ROWS)]


def test_a_group_that_was_torn_apart_is_scored_again_as_a_whole(at):
    at.write("mix.toml", WITH_GROUPS)
    stop(at, signal.SIGINT, "scored.jsonl")
    lines = (at / "scored.jsonl").read_bytes().splitlines(keepends=True)
    (at / "scored.jsonl").write_bytes(b"".join(lines[:-3]))
    finish(at, "scored.jsonl")
    scores = [row["score"] for row in at.rows("scored.jsonl")]
    for start in range(0, ROWS, 5):
        lengths = [n % 11 for n in range(start, start + 5)]
        assert scores[start : start + 5] == [length / (max(lengths) or 1) for length in lengths]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda at: at.write("mix.toml", LENGTH + "weight = 2\n") and (), "the run file"),
        (lambda at: at.rollouts([{"prompt": "p", "completion": "y"}]) and (), "the rollouts"),
        (lambda at: ("--set", "rewards.length.weight=2"), "--set"),
        (lambda at: ("--map", "prompt=completion"), "--map"),
    ],
    ids=["run file", "rollouts", "--set", "--map"],
)
def test_what_has_changed_is_named_instead_of_going_on(stopped, change, said):
    more = change(stopped)
    before = (stopped / "scored.jsonl").read_bytes()
    complaint = stopped.complaint(*SCORE, "--out", "scored.jsonl", "--resume", *more)
    assert f"changed since: {said};" in complaint
    assert "--overwrite" in complaint
    assert (stopped / "scored.jsonl").read_bytes() == before


@pytest.mark.parametrize("column", ["prompt", "completion", "group"])
def test_a_row_that_is_not_the_scored_row_of_its_line_is_named_instead_of_going_on(stopped, column):
    lines = (stopped / "scored.jsonl").read_text().splitlines()
    lines[2] = json.dumps({**json.loads(lines[2]), column: "another"})
    stopped.write("scored.jsonl", "\n".join(lines) + "\n")
    before = (stopped / "scored.jsonl").read_bytes()
    complaint = stopped.complaint(*SCORE, "--out", "scored.jsonl", "--resume")
    assert "line 3 is not the scored row of line 3 of rollouts.jsonl; begin again with --overwrite" in complaint
    assert (stopped / "scored.jsonl").read_bytes() == before


@pytest.mark.parametrize("how", [(), ("--resume",), ("--overwrite",)])
def test_two_never_write_one_file(at, how):
    out = at / "scored.jsonl"
    process = at.start(*SCORE, "--out", out, SECONDS="0.01")
    until = time.monotonic() + 30
    while not (out.exists() and out.stat().st_size) and time.monotonic() < until:
        time.sleep(0.01)
    assert "another guerdon is writing it" in at.complaint(*SCORE, "--out", out, *how)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    finish(at, out)
    assert [row["score"] for row in at.rows("scored.jsonl")] == [n % 11 for n in range(ROWS)]


def test_a_file_that_is_there_is_neither_lost_nor_mixed_up(at):
    at.write("scored.jsonl", "precious\n")
    complaint = at.complaint(*SCORE, "--out", "scored.jsonl")
    assert "--resume" in complaint
    assert "--overwrite" in complaint
    assert "cannot be resumed" in at.complaint(*SCORE, "--out", "scored.jsonl", "--resume")
    assert (at / "scored.jsonl").read_text() == "precious\n"
    assert at.guerdon(*SCORE, "--out", "scored.jsonl", "--overwrite").returncode == 0
    assert len(at.rows("scored.jsonl")) == ROWS


def test_a_scoring_that_was_begun_is_not_begun_anew_by_mistake(stopped):
    (stopped / "scored.jsonl").unlink()
    assert "was begun and not finished" in stopped.complaint(*SCORE, "--out", "scored.jsonl")


def test_a_record_that_cannot_be_read_is_one_clear_error(stopped):
    stopped.write("scored.jsonl.resume.json", "{")
    assert "cannot be read; begin again with --overwrite" in stopped.complaint(
        *SCORE, "--out", "scored.jsonl", "--resume"
    )


def test_resume_with_nothing_to_resume_just_begins(at):
    finish(at, "scored.jsonl")
    assert len(at.rows("scored.jsonl")) == ROWS


def test_resume_and_overwrite_contradict_each_other(at):
    assert "contradict" in at.complaint(*SCORE, "--out", "scored.jsonl", "--resume", "--overwrite")
    assert "needs an --out" in at.complaint(*SCORE, "--resume")


def test_ctrl_c_without_a_file_says_that_nothing_is_kept(at):
    process = at.start(*SCORE, SECONDS="0.05")
    while not any(one.read_text() for one in Path(f"/proc/{process.pid}/task").glob("*/children")):  # its workers
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert "nothing is kept without --out" in errors


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]
    mounted = subprocess.run(mount, check=False, capture_output=True)
    if mounted.returncode:
        assert "CI" not in os.environ, "CI must be able to mount a small disk"
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_full_disk_is_one_clear_error_and_what_fits_is_kept(at, small_disk, suffix):
    out = small_disk / f"scored.{suffix}"
    complaint = at.complaint(*SCORE, "--out", out)
    assert "cannot be written: No space left on device" in complaint
    assert re.search(r"[1-9]\d* scored rollouts are kept; make room, and go on with --resume", complaint)
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    finish(at, out)
    assert [row["score"] for _, row in read_rows(out)] == [n % 11 for n in range(ROWS)]


def test_a_file_that_may_not_grow_is_one_clear_error_and_what_fits_is_kept(at):
    code = "import resource as r; r.setrlimit(r.RLIMIT_FSIZE, (1 << 18, 1 << 18)); from guerdon.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", code, *SCORE, "--out", "scored.jsonl"],
        check=False, capture_output=True, text=True, cwd=at.directory,
        env={**os.environ, "PYTHONPATH": str(at.sites[0])},
    )  # fmt: skip
    assert ended.returncode == 2
    assert re.search(r"cannot be written: File too large; [1-9]\d* scored rollouts are kept", ended.stderr)
    assert "Traceback" not in ended.stderr
    finish(at, "scored.jsonl")
    assert [row["score"] for row in at.rows("scored.jsonl")] == [n % 11 for n in range(ROWS)]
