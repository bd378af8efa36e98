"""Reward functions of a run file in TRL's real GRPOTrainer, with a model of a few thousand weights."""

from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest
from tiny_trl import Share, logged, mixture_file, trained
from tokenizer_of_bytes import byte_tokenizer

from guerdon.columns import rollout_of
from guerdon.ledger import Ledger
from guerdon.runfile import load
from guerdon_trl import reward_funcs

pytestmark = pytest.mark.slow

VOWELS = """
[rewards.vowels]
use = "share"
mute = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN0123456789"
weight = 2
[rewards.short]
use = "overlong"
max_length = 12
buffer = 8
unit = "characters"
"""
ROWS = [{"prompt": f"Question {i}: ", "target": str(i)} for i in range(6)]


def kept(directory: Path) -> list[list[dict[str, Any]]]:
    """The rows of each step, as they were kept."""
    rows = list(Ledger(directory).read())
    return [[row for row in rows if row["step"] == step] for step in sorted({row["step"] for row in rows})]


def again(path: Path, rows: list[dict[str, Any]]) -> list[float | None]:
    """The totals of what was kept, by a library call."""
    rollouts = [rollout_of(row, "kept")[0] for row in rows]
    with load(path).mixture() as mixture:
        return [total.value for total in mixture.submit(rollouts).result()]


def advantages(totals: list[float | None], size: int) -> list[float]:
    """GRPO as TRL computes it, with every None left out."""
    found = []
    for start in range(0, len(totals), size):
        group = totals[start : start + size]
        known = [value for value in group if value is not None]
        deviation = stdev(known) if len(known) > 1 else 0.0
        found += [0.0 if value is None else (value - fmean(known)) / (deviation + 1e-4) for value in group]
    return found


@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("per_term", [False, True])
def test_what_trl_pays_and_logs_is_what_the_mixture_says(tmp_path: Path, per_term: bool, asynchronous: bool) -> None:
    path = mixture_file(tmp_path, VOWELS)
    functions = reward_funcs(path, per_term=per_term, asynchronous=asynchronous, directory=tmp_path / "kept")
    weights = {"reward_weights": [one.weight for one in functions]} if per_term else {}
    Share.judged.clear()
    trainer = trained(tmp_path, functions, ROWS, **weights)
    steps = kept(tmp_path / "kept")
    assert len(steps) == len(logged(trainer)) == 2
    assert len(Share.judged) <= 16, "a batch was judged more than once"
    unscored = 0
    for rows, log in zip(steps, logged(trainer), strict=True):
        totals = again(path, rows)
        known = [total for total in totals if total is not None]
        unscored += len(totals) - len(known)
        assert [row["score"] for row in rows] == totals
        assert log["reward"] == pytest.approx(fmean(known), rel=1e-6)
        assert log["frac_unscored"] == 1 - len(known) / len(totals)
        for name in ("vowels", "short"):
            # Of one function a term, TRL knows the values of a rollout that has a total.
            values = [row["terms"][name]["value"] for row in rows if row["score"] is not None or not per_term]
            mean = fmean(value for value in values if value is not None)
            assert log[f"rewards/{name}/mean"] == pytest.approx(mean, rel=1e-6)
    assert 0 < unscored < 16, "the test should see both"
    assert list(trainer._logs["completion"]) == [row["completion"] for row in steps[-1]]
    assert list(trainer._logs["extra"]["reason"]) == [row["reason"] for row in steps[-1]]
    expected = advantages(again(path, steps[-1]), 4)
    assert list(trainer._logs["advantages"]) == pytest.approx(expected, abs=1e-3)
    assert any(expected)


def test_a_group_without_any_score_teaches_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    path = mixture_file(tmp_path, '[rewards.math]\nuse = "boxed-math"\n')
    trainer = trained(tmp_path, reward_funcs(path), ROWS)
    assert all(log["reward"] is None and log["frac_unscored"] == 1 for log in logged(trainer))
    assert all(log["grad_norm"] == 0 for log in logged(trainer))
    assert set(trainer._logs["advantages"]) == {0.0}


def test_rloo_takes_them_too(tmp_path: Path) -> None:
    path = mixture_file(tmp_path, VOWELS)
    trainer = trained(tmp_path, reward_funcs(path, directory=tmp_path / "kept"), ROWS, kind="RLOO", beta=0.0)
    for rows, log in zip(kept(tmp_path / "kept"), logged(trainer), strict=True):
        known = [row["score"] for row in rows if row["score"] is not None]
        assert log["reward"] == pytest.approx(fmean(known), rel=1e-6)


def test_messages_columns_and_prefill_reach_the_rewards(tmp_path: Path) -> None:
    path = mixture_file(
        tmp_path, '[rewards.format]\nuse = "think-tags"\n[rewards.math]\nuse = "boxed-math"\ndomains = ["math"]\n'
    )
    rows = [
        {"prompt": [{"role": "user", "content": f"What is {i}?"}], "target": str(i), "subject": subject}
        for i, subject in enumerate(["math", "math", "poetry", "poetry"])
    ]
    functions = reward_funcs(
        path,
        columns={"ground_truth": "target", "domain": "subject"},
        prefill="<think>",
        directory=tmp_path / "kept",
        eos_token_ids=[byte_tokenizer().eos_token_id],
    )

    def write(prompts: list[Any]) -> list[str]:
        numbers = [prompt[0]["content"].split()[-1].rstrip("?") for prompt in prompts]
        return [
            rf"so</think> <answer>\boxed{{{number}}}</answer>" if i % 2 else rf"it is \boxed{{{number}}}"
            for i, number in enumerate(numbers)
        ]

    trainer = trained(tmp_path, functions, rows, write, max_completion_length=64)
    seen = [row for step in kept(tmp_path / "kept") for row in step]
    assert {(row["completion"].startswith("so"), row["domain"], row["score"]) for row in seen} == {
        (True, "math", 2.0),
        (False, "math", 0.0),  # it never stops thinking, so that nothing is an answer
        (True, "poetry", 1.0),
        (False, "poetry", 0.0),
    }
    assert not any(row["truncated"] for row in seen)
    assert len(logged(trainer)) == 2


def test_a_completion_that_does_not_end_is_truncated(tmp_path: Path) -> None:
    path = mixture_file(tmp_path, '[rewards.cut]\nuse = "cut"\n')
    end = byte_tokenizer().eos_token_id
    functions = reward_funcs(path, eos_token_ids=[end], directory=tmp_path / "kept")
    trained(tmp_path, functions, ROWS, generation_kwargs={"suppress_tokens": [end]})
    assert {row["score"] for step in kept(tmp_path / "kept") for row in step} == {1.0}


def test_rewards_of_groups_get_whole_groups(tmp_path: Path) -> None:
    path = mixture_file(tmp_path, '[rewards.longest]\nuse = "longest"\n')
    trainer = trained(tmp_path, reward_funcs(path, group_size=4, directory=tmp_path / "kept"), ROWS)
    for rows in kept(tmp_path / "kept"):
        for start in range(0, 8, 4):
            lengths = [len(row["completion"]) for row in rows[start : start + 4]]
            assert [row["score"] for row in rows[start : start + 4]] == [one == max(lengths) for one in lengths]
    assert len(logged(trainer)) == 2


def test_the_batch_of_a_gradient_accumulation_is_judged_at_once(tmp_path: Path) -> None:
    path = mixture_file(tmp_path, VOWELS)
    functions = reward_funcs(path, per_term=True, directory=tmp_path / "kept")
    trained(tmp_path, functions, ROWS, gradient_accumulation_steps=2, per_device_train_batch_size=4)
    assert [len(rows) for rows in kept(tmp_path / "kept")] == [8, 8]
