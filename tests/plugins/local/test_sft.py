"""Supervised fine-tuning of the tiny policy."""

from pathlib import Path
from typing import Any

import pytest
from practice import go, run_file

from guerdon import DataError, RunFileError

FAST: dict[str, Any] = {"use": "sft", "steps": 3, "learning_rate": 1e-2, "lr_scheduler_type": "constant"}


def test_demonstrations_are_learnt(tmp_path: Path) -> None:
    metrics = go(run_file(tmp_path, {**FAST, "steps": 30, "batch_size": 8}))
    assert metrics[0]["loss"] > 2.5
    assert metrics[-1]["loss"] < 0.7
    assert metrics[-1]["accuracy"] > 0.6
    assert metrics[0]["experts/load"] >= 1


def test_only_the_completion_is_learnt_unless_the_prompt_is_too(tmp_path: Path) -> None:
    """A completion has three characters and the end; its prompt `0+0=` is four more, after the token that begins."""
    assert go(run_file(tmp_path / "completion", FAST))[0]["tokens"] == 4 * 4
    assert go(run_file(tmp_path / "all", {**FAST, "train_on_prompt": True}))[0]["tokens"] == 4 * 8


def test_what_is_too_long_is_cut_off(tmp_path: Path) -> None:
    assert go(run_file(tmp_path / "cut", {**FAST, "max_length": 7}))[0]["tokens"] == 4 * 2
    nothing = go(run_file(tmp_path / "nothing", {**FAST, "max_length": 3}))
    assert [line["tokens"] for line in nothing] == [0, 0, 0]
    assert [line["loss"] for line in nothing] == [0, 0, 0]


def test_epochs_come_to_steps(tmp_path: Path) -> None:
    options = {"use": "sft", "epochs": 2, "batch_size": 5}
    assert len(go(run_file(tmp_path / "epochs", options))) == 5  # 24 demonstrations
    with pytest.raises(RunFileError, match="not both"):
        go(run_file(tmp_path / "both", {**options, "steps": 3}))


def test_micro_batches_change_nothing(tmp_path: Path) -> None:
    whole = go(run_file(tmp_path / "whole", FAST))
    parts = go(run_file(tmp_path / "parts", {**FAST, "tokens_per_micro_batch": 10}))
    for one, other in zip(whole, parts, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)
        assert one["tokens"] == other["tokens"]


def test_a_task_without_a_demonstration_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'task 0'.*no demonstration"):
        go(run_file(tmp_path, FAST, tasks={"demonstrated": False}, sevens={"use": "sevens"}))
    with pytest.raises(DataError, match="there are none"):
        go(run_file(tmp_path / "none", FAST, tasks={"count": 0}, sevens={"use": "sevens"}))
