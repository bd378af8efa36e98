"""A run from its first stage to its last, and on from wherever it was stopped."""

import errno
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import counting
import pytest

from guerdon import DataError, GuerdonError, Run, RunFileError, registry
from guerdon.checkpoints import Checkpoints
from guerdon.errors import Interrupted
from guerdon.events import Listeners
from guerdon.journal import read_metrics
from guerdon.runfile import RunFile, load
from guerdon.training import begun, train

ONE = 'policy = "sum"\ntasks = "few"\n[trainer]\nuse = "counting"\n'
TWO = """
policy = "sum"
tasks = "few"
[rewards.yes]
use = "yes"
[[stages]]
name = "first"
trainer = { use = "counting", steps = 5 }
[[stages]]
name = "second"
from = "first"
trainer = { use = "paid", steps = 4 }
"""


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for plug in counting.PLUGS:
        entry = registry.Entry(plug, "of-this-test", "no-distribution")
        monkeypatch.setitem(registry.load().plugs, (plug.kind, plug.name), entry)


Write = Callable[..., RunFile]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str, *overrides: str) -> RunFile:
        path = tmp_path / "run.toml"
        path.write_text(text)
        return load(path, [f"directory={tmp_path / 'run'}", *overrides])

    return write


def go(
    file: RunFile, *, resume: bool = False, overwrite: bool = False, stop: threading.Event | None = None
) -> list[str]:
    said: list[str] = []
    with begun(file, resume=resume, overwrite=overwrite):
        train(file, Listeners(registry.load().manager), said.append, stop)
    return said


def sums(directory: Path) -> list[tuple[object, object, object]]:
    return [(line["step"], line["stage"], line["sum"]) for line in read_metrics(directory)]


def result(directory: Path) -> int:
    return int(json.loads((Checkpoints(directory / "checkpoints").found()[-1].path / "config.json").read_text())["sum"])


def everything(directory: Path) -> dict[str, bytes]:
    """What a run left behind, but for the rollouts, whose names and times are their writer's."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and "rollouts" not in path.parts
    }


def test_a_run_of_one_trainer_leaves_its_metrics_and_checkpoints(write: Write) -> None:
    file = write(ONE)
    go(file)
    assert sums(file.directory) == [(i, "train", float(i * (i + 1) // 2)) for i in range(1, 7)]
    names = [saved.path.name for saved in Checkpoints(file.directory / "checkpoints").found()]
    assert names == ["step-00004", "step-00006"]
    assert load(file.directory / "config.toml").table == file.table


def test_stages_count_on_and_start_from_an_earlier_ones_weights(write: Write) -> None:
    file = write(TWO)
    go(file)
    assert [line[:2] for line in sums(file.directory)] == [
        *((i, "first") for i in range(1, 6)),
        *((i, "second") for i in range(6, 10)),
    ]
    assert result(file.directory) == 15 + 10
    assert len(list((file.directory / "rollouts").glob("step-0000[6-9].*.parquet"))) == 4


def test_without_from_a_stage_begins_with_its_policy(write: Write) -> None:
    file = write(TWO.replace('from = "first"\n', 'policy = { use = "sum", begin = 1000 }\n'))
    go(file)
    assert result(file.directory) == 1010


def test_the_end_of_every_stage_is_kept(write: Write) -> None:
    file = write(TWO, "stages.second.trainer.steps=9", "stages.second.trainer.save_steps=1")
    go(file)
    steps = [(saved.step, saved.last) for saved in Checkpoints(file.directory / "checkpoints").found()]
    assert steps == [(5, True), (13, False), (14, True)]


@pytest.mark.parametrize("stage", ["first", "second"])
@pytest.mark.parametrize(
    ("step", "moment"),
    [(1, "step"), (1, "logged"), (2, "saving"), (2, "saved"), (3, "logged"), (4, "saving"), (4, "saved")],
)
def test_a_run_that_was_killed_goes_on_to_the_same_end(write: Write, stage: str, step: int, moment: str) -> None:
    whole = write(TWO, "seed=3")
    go(whole)
    expected = everything(whole.directory)
    shutil.rmtree(whole.directory)
    program = [sys.executable, counting.__file__, str(whole.path), f"directory={whole.directory}", "seed=3"]
    killed = subprocess.run(program, check=False, env={**os.environ, "DIES": f"{stage} {step} {moment}"})
    assert killed.returncode == -9
    subprocess.run([*program, "--resume"], check=True)
    assert everything(whole.directory) == expected


def test_a_run_that_is_over_has_nothing_to_resume(write: Write) -> None:
    file = write(TWO)
    go(file)
    before = everything(file.directory)
    go(file, resume=True)
    assert everything(file.directory) == before


def test_ctrl_c_saves_after_the_step_and_the_run_goes_on(write: Write) -> None:
    file = write(ONE)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted, match="train: step 1 of 6"):
        go(file, stop=stop)
    assert result(file.directory) == 1
    go(file, resume=True)
    assert result(file.directory) == 21


@pytest.mark.parametrize("damage", ["lost", "shortened", "changed", "no manifest", "torn manifest"])
def test_a_damaged_checkpoint_is_passed_over_and_said(write: Write, damage: str) -> None:
    file = write(ONE, "trainer.steps=7")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        go(file, stop=stop)
    go(file, resume=True)
    expected = everything(file.directory)
    newest = file.directory / "checkpoints" / "step-00007"
    state = newest / "trainer" / "state"
    if damage == "lost":
        state.unlink()
    elif damage == "shortened":
        os.truncate(state, 999)
    elif damage == "changed":
        state.write_bytes(bytes(999) + b"x")
    elif damage == "no manifest":
        (newest / "guerdon.json").unlink()
    else:
        (newest / "guerdon.json").write_text("{")
    (said,) = go(file, resume=True)
    assert "step-00007" in said
    assert said.endswith("going on from step-00006 instead")
    assert everything(file.directory) == expected


def test_when_no_checkpoint_is_whole_the_run_does_not_begin_anew_by_itself(write: Write) -> None:
    file = write(ONE)
    go(file)
    for path in file.directory.rglob("state"):
        path.unlink()
    with pytest.raises(DataError, match=r"is missing from the checkpoint.*; begin anew with --overwrite"):
        go(file, resume=True)
    go(file, overwrite=True)
    assert result(file.directory) == 21


def test_a_damaged_start_of_a_later_stage_is_named(write: Write) -> None:
    file = write(TWO + '[[stages]]\nname = "third"\nfrom = "first"\ntrainer = "failing"\n')
    with pytest.raises(GuerdonError, match="here: cannot"):
        go(file)
    (file.directory / "checkpoints" / "step-00005" / "config.json").write_text("{}")
    with pytest.raises(DataError, match=r"step-00005/config.json: is damaged.*; begin anew with --overwrite"):
        go(file, resume=True)


def test_a_run_is_not_overwritten_by_accident(write: Write, tmp_path: Path) -> None:
    file = write(ONE)
    with pytest.raises(DataError, match="holds no run that could be resumed"):
        go(file, resume=True)
    go(file)
    with pytest.raises(DataError, match="holds a run already; --resume goes on with it, --overwrite begins anew"):
        go(file)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    with pytest.raises(DataError, match="is not empty, and holds no run"):
        go(write(ONE, f"directory={tmp_path / 'full'}"))


def test_a_run_that_ended_before_its_first_step_is_no_run_yet(write: Write) -> None:
    with pytest.raises(GuerdonError, match="here: cannot"):
        go(write(ONE.replace("counting", "failing")))
    go(write(ONE))


def test_tasks_of_a_later_stage_that_are_not_there_are_named_before_anything_is_trained(
    write: Write, tmp_path: Path
) -> None:
    late = "tasks = { use = 'file', path = 'nowhere.jsonl' }\n"
    file = write(TWO.replace('from = "first"\n', f'from = "first"\n{late}'))
    with pytest.raises(DataError, match=r"nowhere\.jsonl"):
        go(file)
    assert not file.directory.exists()


def test_a_run_is_not_resumed_with_other_options(write: Write) -> None:
    go(write(TWO))
    with pytest.raises(DataError, match=r"stages\.second\.trainer\.steps was another when the run began"):
        go(write(TWO, "stages.second.trainer.steps=8"), resume=True)
    go(write(TWO, "note=It may be said what was seen."), resume=True)


def test_two_processes_do_not_train_one_run(write: Write) -> None:
    file = write(ONE)
    with begun(file, resume=False, overwrite=False), pytest.raises(DataError, match="another process trains this run"):
        go(file, resume=True)


def test_a_trainer_must_end_with_a_checkpoint(write: Write) -> None:
    with pytest.raises(GuerdonError, match="trainer 'careless': ended without a last checkpoint"):
        go(write(ONE.replace("counting", "careless")))


def test_the_listeners_hear_of_a_failure(write: Write) -> None:
    heard: list[str] = []

    class Listening(Listeners):
        def run_started(self, run: object) -> None:
            heard.append("started")

        def run_finished(self, run: object, error: BaseException | None) -> None:
            heard.append(str(error))

    file = write(ONE.replace("counting", "failing"))
    with begun(file, resume=False, overwrite=False), pytest.raises(GuerdonError):
        train(file, Listening(registry.load().manager), print)
    assert heard == ["started", "here: cannot"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ONE.replace('policy = "sum"\n', ""), "trainer: 'counting' needs [policy]"),
        (TWO.replace('[rewards.yes]\nuse = "yes"\n', ""), "stages.second: 'paid' needs [rewards]"),
        (
            TWO.replace('from = "first"', 'from = "fist"'),
            "stages.second.from: no earlier stage is named 'fist'; did you mean",
        ),
        (TWO.replace('name = "second"', 'name = "first"'), "stages.first.name: an earlier stage has this name"),
        (TWO.replace('name = "second"', ""), "stages.1.name: every stage needs one"),
        (TWO.replace('name = "second"', 'name = "a b"'), "stages.a b.name: 'a b' is none"),
        (TWO.replace('from = "first"', 'from = "second"'), "stages.second.from: no earlier stage is named 'second'"),
        (
            TWO.replace('from = "first"', 'form = "first"'),
            "stages.second.form: no such table or key; did you mean 'from'?",
        ),
        (TWO.replace("steps = 4", "stebs = 4"), "stages.second.trainer.stebs: no such option; did you mean 'steps'?"),
        (TWO.replace('trainer = { use = "counting", steps = 5 }', ""), "stages.first.trainer: there is none"),
        (TWO + '[stages.rewards.no]\nuse = "no"\n', "stages.second.rewards.no.use: no reward is named 'no'"),
        ('trainer = "counting"\n' + TWO, "trainer: a file with [[stages]] has no trainer of its own"),
        ("stages = 3\n", "stages: is a list of tables, got 3"),
        ('trackers = ["tensorbord"]\n' + ONE, "trackers: no plugin 'tensorbord' listens; did you mean 'tensorboard'?"),
        ("note = 3\n" + ONE, "note: is text, got 3"),
    ],
)
def test_every_mistake_of_a_training_is_named(write: Write, text: str, says: str) -> None:
    with pytest.raises(RunFileError) as raised:
        write(text)
    assert says in str(raised.value)


def test_an_override_reaches_into_a_stage_by_its_name(write: Write) -> None:
    file = write(TWO, "stages.second.trainer.steps=8")
    assert [stage.trainer.steps for stage in file.stages] == [5, 8]  # type: ignore[attr-defined]
    with pytest.raises(GuerdonError, match="'third' is no table"):
        write(TWO, "stages.third.trainer.steps=8")


def test_a_failure_of_something_else_is_not_laid_to_the_directory(write: Write) -> None:
    file = write(ONE)
    with pytest.raises(ConnectionRefusedError), begun(file, resume=False, overwrite=False):
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
    with pytest.raises(DataError, match="metrics"), begun(file, resume=False, overwrite=True):
        (file.directory / "metrics.jsonl" / "no directory").write_text("")
    with pytest.raises(DataError, match="No space"), begun(file, resume=False, overwrite=True):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_later_stage_is_told_where_it_started_also_when_it_goes_on(write: Write) -> None:
    file = write(TWO)
    starts: list[Path | None] = []
    stop = threading.Event()

    class Heard(Listeners):
        def run_started(self, run: Run) -> None:
            starts.append(run.start)

        def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
            if step == 7:
                stop.set()

    for resume in (False, True):
        with begun(file, resume=resume, overwrite=False):
            try:
                train(file, Heard(registry.load().manager), print, stop)
            except Interrupted:
                stop.clear()
    end = file.directory / "checkpoints" / "step-00005"
    assert starts == [None, end, end]


HACKED = """
policy = "sum"
[rewards.yes]
use = "yes"
[rewards.opinion]
use = "opinion"
[trainer]
use = "pleasing"
"""


def test_a_policy_that_pleases_its_judge_and_is_right_less_often_is_warned_of_once(write: Write) -> None:
    file = write(HACKED)
    said = go(file)
    (warning,) = [line for line in said if "warning" in line]
    assert warning.startswith(
        "warning, step 100: 'opinion' went from 0.0275 to 0.478, and 'yes' went from 0.972 to 0.5"
    )
    told = {line["step"]: line["warnings"] for line in read_metrics(file.directory) if "warnings" in line}
    assert told == {100: [warning.removeprefix("warning, step 100: ")]}


def test_nobody_is_warned_where_no_reward_is_a_models(write: Write) -> None:
    file = write(HACKED.replace('use = "opinion"', 'use = "yes"'))
    assert not go(file)
    assert not [line for line in read_metrics(file.directory) if "warnings" in line]


@pytest.mark.parametrize("step", [95, 105])
def test_after_a_kill_there_is_the_same_warning_and_no_other(write: Write, step: int) -> None:
    file = write(HACKED, "trainer.save_steps=50")
    go(file)
    expected = everything(file.directory)
    shutil.rmtree(file.directory)
    program = [sys.executable, counting.__file__, str(file.path), f"directory={file.directory}"]
    program += ["trainer.save_steps=50"]
    killed = subprocess.run(program, check=False, env={**os.environ, "DIES": f"train {step} logged"})
    assert killed.returncode == -9
    resumed = subprocess.run([*program, "--resume"], check=True, capture_output=True, text=True)
    assert resumed.stdout.count("warning") == (step < 100)
    assert everything(file.directory) == expected
