"""What a trainer says is kept in the run directory, and told to whoever listens."""

import json
from collections.abc import Mapping
from pathlib import Path

import pluggy
import pytest

from guerdon import DataError, GuerdonError, Outcome, Rollout, Task, Total, hookimpl, hookspecs
from guerdon.checkpoints import Checkpoints
from guerdon.errors import Interrupted
from guerdon.events import Listeners
from guerdon.journal import Journal, read_metrics, trim


class Ear:
    """Hears of everything."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    @hookimpl
    def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
        self.heard.append((step, dict(metrics)))

    @hookimpl
    def rollouts_scored(self, step: int) -> None:
        self.heard.append(step)


@pytest.fixture
def manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager("guerdon")
    manager.add_hookspecs(hookspecs)
    return manager


@pytest.fixture
def journal(tmp_path: Path, manager: pluggy.PluginManager) -> Journal:
    return Journal(tmp_path, "rl", Listeners(manager), before=10)


def test_steps_of_a_stage_are_counted_on_in_files_and_hooks(
    journal: Journal, manager: pluggy.PluginManager, tmp_path: Path
) -> None:
    ear = Ear()
    manager.register(ear)
    journal.scored(3, [Rollout(Task("t", "?"), "!")], [Total(1.0, Outcome.SCORED, "so", {})])
    journal.log(3, {"reward": 0.5})
    assert ear.heard == [13, (13, {"reward": 0.5})]
    assert read_metrics(tmp_path) == [{"step": 13, "stage": "rl", "reward": 0.5}]
    assert len(list((tmp_path / "rollouts").glob("step-00013.*.parquet"))) == 1


def test_metrics_stay_json_when_a_value_is_no_number(journal: Journal, tmp_path: Path) -> None:
    journal.log(1, {"loss": float("nan"), "kl": float("inf"), "reward": 0.1 + 0.2})
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line) == {"step": 11, "stage": "rl", "loss": None, "kl": None, "reward": 0.1 + 0.2}


def test_a_listener_that_raises_does_not_stop_the_run(journal: Journal, manager: pluggy.PluginManager) -> None:
    class Broken:
        @hookimpl
        def step_finished(self) -> None:
            raise GuerdonError("I", "am broken")

    manager.register(Broken())
    journal.log(1, {})
    journal.log(2, {})


def test_what_follows_the_checkpoint_is_dropped_and_so_is_what_a_kill_tore(journal: Journal, tmp_path: Path) -> None:
    for step in 1, 2, 3:
        journal.scored(step, [Rollout(Task("t", "?"), "!")], [Total(1.0, Outcome.SCORED, "so", {})])
        journal.log(step, {"x": float(step)})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 12, "stage": "rl", "x"')
    (tmp_path / "rollouts" / ".step-00012.torn.parquet.1.tmp").touch()
    trim(tmp_path, 12)
    assert [line["step"] for line in read_metrics(tmp_path)] == [11, 12]
    assert (tmp_path / "metrics.jsonl").read_text().count("\n") == 2
    assert sorted(path.name[:10] for path in (tmp_path / "rollouts").iterdir()) == ["step-00011", "step-00012"]


def test_an_interruption_between_two_looks_does_not_leave_without_a_checkpoint(journal: Journal) -> None:
    seen = []

    def train() -> None:
        for step in journal.steps(5):
            seen.append((step, journal.due(step, 0, 5)))
            if step == 2:
                journal.interruption.set()  # too late for this step's look

    with pytest.raises(Interrupted):
        train()
    assert seen == [(1, False), (2, False), (3, True)]


def test_a_checkpoint_counts_only_when_it_is_complete(journal: Journal, tmp_path: Path) -> None:
    def save() -> None:
        with journal.saving(1) as path:
            (path / "half").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        save()
    assert Checkpoints(tmp_path / "checkpoints").found() == []
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_a_disk_that_is_full_leaves_the_last_checkpoint_and_says_what_to_do(journal: Journal, tmp_path: Path) -> None:
    with journal.saving(1) as path:
        (path / "whole").touch()

    def save() -> None:
        with journal.saving(2), open("/dev/full", "w") as full:
            full.write("x" * 10_000)
            full.flush()

    with pytest.raises(DataError, match=r"step-00012: could not be saved: No space left.*go on with --resume"):
        save()
    assert [saved.step for saved in Checkpoints(tmp_path / "checkpoints").found()] == [11]
