"""wandb in its offline mode: no account, no network, and files that `wandb sync` would send."""

import json
import struct

import pytest

from guerdon import PluginError

pytestmark = pytest.mark.slow


BLOCK, HEADER = 32768, 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


@pytest.fixture
def tracked(apart, tmp_path):
    """Runs stages with wandb, offline; gives what each run's file holds, in the order in which they were begun."""
    ours = {
        "WANDB_MODE": "offline",
        **{f"WANDB_{name}_DIR": str(tmp_path / "own") for name in ("CONFIG", "CACHE", "DATA")},
    }

    def run(*stages):
        ended = apart("wandb", *stages, **ours)
        assert ended.returncode == 0, ended.stderr
        files = (tmp_path / "wandb").glob("offline-run-*/run-*.wandb")
        return [records(path.read_bytes()) for path in sorted(files, key=lambda path: path.stat().st_mtime_ns)]

    return run


def records(data):
    """The records of a file in the format of LevelDB's log, after a head of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    found, part, place = [], b"", 7
    while place + HEADER <= len(data):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
            continue
        length, kind = struct.unpack("<HB", data[place + 4 : place + HEADER])
        part += data[place + HEADER : place + HEADER + length]
        place += HEADER + length
        if kind in (FULL, LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(part)
            found.append(record)
            part = b""
    return found


def history(run):
    lines = []
    for record in run:
        if record.WhichOneof("record_type") == "history":
            items = {one.key or "/".join(one.nested_key): json.loads(one.value_json) for one in record.history.item}
            lines.append({name: value for name, value in items.items() if not name.startswith("_") or name == "_step"})
    return lines


def begun(run):
    return next(record.run for record in run if record.WhichOneof("record_type") == "run")


def ended(run):
    return [record.exit.exit_code for record in run if record.WhichOneof("record_type") == "exit"]


def test_every_metric_of_every_step_is_there_with_the_run_file_and_no_secret(tracked):
    steps = {0: {"eval/pass@1": 0.5}, 1: {"reward": 0.25, "kl": float("nan")}, 2: {"reward": 0.75}}
    (run,) = tracked({"steps": steps})
    assert history(run) == [
        {"_step": 0, "eval/pass@1": 0.5}, {"_step": 1, "reward": 0.25}, {"_step": 2, "reward": 0.75},
    ]  # fmt: skip
    config = {item.key: item.value_json for item in begun(run).config.update}
    assert "grpo" in config["trainer"]
    assert "a model" in config["trainer"]
    assert "swordfish" not in str(run)
    assert ended(run) == [0]


def test_a_later_stage_and_a_resumption_go_by_the_same_name_and_a_new_run_by_another(tracked):
    runs = tracked(
        {"steps": {1: {"loss": 1}}},
        {"steps": {1: {"loss": 2}}, "before": 1},
        {"steps": {2: {"loss": 3}}, "before": 1, "done": 1},
        {"steps": {1: {"loss": 4}}},
    )
    names = [begun(run).run_id for run in runs]
    assert len(names) == 4
    assert names[0] == names[1] == names[2] != names[3]
    assert [line["_step"] for run in runs for line in history(run)] == [1, 2, 3, 1]


def test_what_stopped_a_run_makes_it_a_failed_one(tracked):
    (run,) = tracked({"steps": {1: {"loss": 1}}, "error": "out of luck"})
    assert ended(run) == [1]


def test_without_an_account_the_run_does_not_begin_and_the_way_out_is_named(apart, tmp_path):
    nowhere = {"WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": "", "NETRC": str(tmp_path / "netrc")}
    ended = apart("wandb", {"steps": {1: {"loss": 1}}}, **nowhere)
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("error: trackers: wandb: cannot begin a run: ")
    assert last.endswith("`wandb login` first, or set WANDB_MODE=offline to send it later")


def test_a_run_that_does_not_ask_for_it_is_left_alone(here, tmp_path):
    here(None, {1: {"reward": 0.5}})
    assert not (tmp_path / "wandb").exists()


def test_without_its_library_the_run_does_not_begin(here, without):
    with without("wandb"), pytest.raises(PluginError, match=r"needs wandb.*pip install 'guerdon\[trackers\]'"):
        here("wandb", {1: {"reward": 0.5}})
