"""Reward models from the tiny policy, on pairs whose rule is known."""

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest
from practice import DIGITS, go, untimed

from guerdon import DataError
from guerdon.checkpoints import Checkpoints
from guerdon_local.calibration import brier, calibration_error, rank_correlation, report

FAST: dict[str, Any] = {"steps": 6, "batch_size": 8, "learning_rate": 3e-3, "lr_scheduler_type": "constant"}


def answer(random: random.Random, sevens: bool) -> str:
    """Four to eight digits, one of them a seven or none."""
    digits = random.choices("012345689", k=random.randint(4, 8))
    if sevens:
        digits[random.randrange(len(digits))] = "7"
    return "".join(digits)


def pairs(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Whoever has a seven is preferred, however long the two are."""
    draw = random.Random(seed)
    return [
        {"prompt": f"{draw.randrange(1000)}+=", "chosen": answer(draw, True), "rejected": answer(draw, False)}
        for _ in range(count)
    ]


def points(count: int) -> list[dict[str, Any]]:
    return [
        {"prompt": row["prompt"], "completion": row["chosen" if safe else "rejected"], "safe": safe}
        for number, row in enumerate(pairs(count))
        for safe in [number % 3 == 0]
    ]


def run_file(directory: Path, rows: list[dict[str, Any]], policy: str = "", **options: Any) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = directory / "run.toml"
    path.write_text(
        f"directory = {json.dumps(str(directory / 'run'))}\n[policy]\n"
        + (policy or f'use = "deepseek-v3"\nvocabulary = {json.dumps(list(DIGITS))}\nhidden_size = 32\n')
        + f'[tasks]\nuse = "file"\npath = {json.dumps(str(directory / "rows.jsonl"))}\n[trainer]\nuse = "preference"\n'
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in options.items())
    )
    return path


def last(directory: Path) -> Path:
    return Checkpoints(directory / "run" / "checkpoints").found()[-1].path


def test_a_rule_is_learnt_from_pairs_and_holds_for_pairs_that_were_held_out(tmp_path: Path) -> None:
    metrics = go(run_file(tmp_path, pairs(800), epochs=3, batch_size=16, learning_rate=5e-3))
    assert metrics[0]["loss"] == pytest.approx(math.log(2))  # it prefers nothing yet
    found = metrics[-1]
    assert found["eval/accuracy"] >= 0.95
    assert found["eval/brier"] < 0.05
    assert found["eval/calibration_error"] < 0.1
    assert abs(found["eval/length_correlation"]) < 0.5


def test_what_is_safe_is_learnt_from_single_answers(tmp_path: Path) -> None:
    options = {"loss": "pointwise", "epochs": 4, "batch_size": 16, "learning_rate": 5e-3}
    found = go(run_file(tmp_path, points(800), **options))[-1]
    assert found["eval/accuracy"] >= 0.95
    assert found["eval/calibration_error"] < 0.1


def test_training_goes_on_from_any_step_to_the_bit(tmp_path: Path) -> None:
    metrics = untimed(go(run_file(tmp_path / "whole", pairs(60), **FAST, eval_steps=2)))
    for step in (1, 3):
        file = run_file(tmp_path / str(step), pairs(60), **FAST, eval_steps=2)
        go(file, stop_after=step)
        assert untimed(go(file, resume=True)) == metrics
        weights = [(last(tmp_path / name) / "model.safetensors").read_bytes() for name in ("whole", str(step))]
        assert weights[0] == weights[1]


def test_a_checkpoint_is_a_sequence_classifier_with_one_label(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    go(run_file(tmp_path, pairs(60), **FAST))
    module = AutoModelForSequenceClassification.from_pretrained(last(tmp_path))
    assert module.config.num_labels == 1
    assert module.score.weight.detach().any()


def test_micro_batches_change_nothing(tmp_path: Path) -> None:
    whole = go(run_file(tmp_path / "whole", pairs(60), **FAST))
    parts = go(run_file(tmp_path / "parts", pairs(60), **FAST, tokens_per_micro_batch=30))
    for one, other in zip(whole, parts, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-3)


def test_what_cannot_be_learnt_from_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no text under `chosen` and `rejected`.*pointwise"):
        go(run_file(tmp_path / "other", points(6), **FAST))
    with pytest.raises(DataError, match="whether it is `safe`"):
        go(run_file(tmp_path / "safe", [{"prompt": "1", "completion": "2"}], **FAST, loss="pointwise"))
    with pytest.raises(DataError, match="none of 6 is left"):
        go(run_file(tmp_path / "long", pairs(6), **FAST, max_length=3))


def test_the_numbers_of_a_report_are_those_of_the_books() -> None:
    found = report([2.0, -1.0], [True, True], [(1.0, 3), (2.0, 2), (3.0, 1)])
    assert found["eval/accuracy"] == 0.5
    assert found["eval/loss"] == pytest.approx((math.log1p(math.exp(-2)) + math.log1p(math.exp(1))) / 2)
    assert found["eval/length_correlation"] == pytest.approx(-1)
    assert calibration_error([0.9, 0.9], [True, False]) == pytest.approx(0.4)
    assert brier([0.9, 0.1], [True, False]) == pytest.approx(0.01)
    assert rank_correlation([1, 1, 1], [1, 2, 3]) == 0
    assert report([0.0], [True], [(0.0, 1)])["eval/accuracy"] == 0  # it has decided nothing
