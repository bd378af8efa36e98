"""A run that was interrupted goes on as if it had not been, to the bit."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from practice import go, run_file, untimed

from guerdon import DataError
from guerdon.checkpoints import Checkpoints

PLAIN: dict[str, Any] = {"steps": 5, "learning_rate": 3e-3, "save_steps": 2}
EVERYTHING: dict[str, Any] = {
    "steps": 9,
    "learning_rate": 3e-3,
    "save_steps": 100,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 2,
    "steps_per_generation": 2,
    "num_iterations": 2,
    "top_p": 0.9,
    "beta": 0.1,
    "ref_model_sync_steps": 3,
    "dynamic_sampling": 2,
    "scale_rewards": "batch",
    "bias_update_speed": 0.01,
    "mask_truncated_completions": True,
}
REWARDS = {"sevens": {"use": "sevens", "mute": "12", "constant": "05"}}


def weights(directory: Path) -> bytes:
    return (Checkpoints(directory / "run" / "checkpoints").found()[-1].path / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], bytes]:
    """A run with everything that has a state, from its first to its last step."""
    directory = tmp_path_factory.mktemp("whole")
    metrics = go(run_file(directory, EVERYTHING, **REWARDS))
    assert len(metrics) == EVERYTHING["steps"]
    return untimed(metrics), weights(directory)


def test_two_runs_with_one_seed_are_one_run(whole: tuple[list[dict[str, Any]], bytes], tmp_path: Path) -> None:
    assert untimed(go(run_file(tmp_path, EVERYTHING, **REWARDS))) == whole[0]
    assert weights(tmp_path) == whole[1]


@pytest.mark.parametrize(
    "step", [pytest.param(i, marks=[pytest.mark.slow] if i not in (3, 4) else []) for i in range(1, 9)]
)
def test_a_run_goes_on_from_any_step_also_within_a_generation(
    step: int, whole: tuple[list[dict[str, Any]], bytes], tmp_path: Path
) -> None:
    file = run_file(tmp_path, EVERYTHING, **REWARDS)
    assert len(go(file, stop_after=step)) == step
    assert untimed(go(file, resume=True)) == whole[0]
    assert weights(tmp_path) == whole[1]


def test_supervised_fine_tuning_goes_on_from_any_step(tmp_path: Path) -> None:
    options = {"use": "sft", "steps": 5, "learning_rate": 1e-2, "batch_size": 5}
    metrics = untimed(go(run_file(tmp_path / "whole", options)))
    for step in range(1, 5):
        file = run_file(tmp_path / str(step), options)
        go(file, stop_after=step)
        assert untimed(go(file, resume=True)) == metrics
        assert weights(tmp_path / str(step)) == weights(tmp_path / "whole")


def test_an_adapter_goes_on_beside_its_own_base(tmp_path: Path) -> None:
    base = run_file(tmp_path / "base", {"use": "sft", "steps": 2, "learning_rate": 1e-2})
    go(base)
    checkpoint = Checkpoints(tmp_path / "base" / "run" / "checkpoints").found()[-1].path

    def adapted(name: str) -> Path:
        file = run_file(tmp_path / name, {**PLAIN, "beta": 0.1, "steps_per_generation": 2})
        text = file.read_text()
        begin, end = text.index("[policy]"), text.index("[sampler]")
        file.write_text(
            f'{text[:begin]}[policy]\nuse = "checkpoint"\npath = "{checkpoint}"\nlora_rank = 2\n{text[end:]}'
        )
        return file

    metrics = untimed(go(adapted("whole")))
    file = adapted("halves")
    go(file, stop_after=3)
    assert untimed(go(file, resume=True)) == metrics
    assert weights(tmp_path / "halves") == weights(tmp_path / "whole")
    assert weights(tmp_path / "whole") != (checkpoint / "model.safetensors").read_bytes()


def test_a_state_that_is_damaged_or_of_another_policy_is_named(tmp_path: Path) -> None:
    from guerdon_local import state

    state.save(tmp_path, {"optimizer": torch.zeros(3)})
    path = tmp_path / "trainer" / "state.pt"
    good = path.read_bytes()
    for bad in (good[:100], good[: len(good) // 2], b"", b"not at all", bytes(len(good))):
        path.write_bytes(bad)
        with pytest.raises(DataError, match=r"state\.pt: is damaged"):
            state.load(tmp_path)
    path.unlink()
    with pytest.raises(DataError, match="is missing"):
        state.load(tmp_path)
    torch.save({"format": 999}, path)
    with pytest.raises(DataError, match="was not saved by this version"):
        state.load(tmp_path)


def test_a_state_runs_no_code(tmp_path: Path) -> None:
    from guerdon_local import state

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "evil"),)

    (tmp_path / "trainer").mkdir()
    torch.save({"format": 1, "optimizer": Evil()}, tmp_path / "trainer" / "state.pt")
    with pytest.raises(DataError):
        state.load(tmp_path)
    assert not (tmp_path / "evil").exists()


@pytest.mark.slow
def test_kill_9_at_any_moment_changes_nothing(tmp_path: Path) -> None:
    """Also while a checkpoint is being written: what is not complete is not there."""
    options = {**EVERYTHING, "save_steps": 2}
    command = "import sys; sys.path.insert(0, sys.argv[1]); import deadly; deadly.main(*sys.argv[2:])"
    here = str(Path(__file__).parent)

    def started(file: Path, dies: str, *arguments: str) -> int:
        environment = {**os.environ, "DIES": dies, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [sys.executable, "-c", command, here, str(file), *arguments], env=environment, check=False
        )
        return done.returncode

    whole = run_file(tmp_path / "whole", options, **REWARDS)
    assert started(whole, "") == 0
    killed = run_file(tmp_path / "killed", options, **REWARDS)
    assert started(killed, "scored 1") == -9  # before there is any checkpoint
    for dies in ("saving 2", "logged 3", "saving 4", "scored 5", "logged 8"):
        assert started(killed, dies, "--resume") == -9
    assert started(killed, "", "--resume") == 0
    from guerdon.journal import read_metrics

    assert untimed(read_metrics(tmp_path / "killed" / "run")) == untimed(read_metrics(tmp_path / "whole" / "run"))
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")


def test_a_checkpoint_whose_state_is_gone_is_not_gone_on_from(tmp_path: Path) -> None:
    file = run_file(tmp_path, {**PLAIN, "save_steps": 1})
    go(file, stop_after=3)
    whole = untimed(go(run_file(tmp_path / "whole", {**PLAIN, "save_steps": 1})))
    (tmp_path / "run" / "checkpoints" / "step-00003" / "trainer" / "state.pt").unlink()
    assert untimed(go(file, resume=True)) == whole
