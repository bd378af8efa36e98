"""What the functions make of what verl hands over, and what they refuse."""

import asyncio
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from guerdon import GroupReward, GuerdonError, OptionError, Rollout, registry
from guerdon_verl import compute_score, compute_score_async, compute_score_batch
from guerdon_verl.judging import Judge
from guerdon_verl.settings import Settings

RIGHT = r"<think>6 × 7</think><answer>\boxed{42}</answer>"
MATH = '[rewards.math]\nuse = "boxed-math"\n'


class Longest(GroupReward):
    """1 for the longest completion of a prompt."""

    name: ClassVar[str] = "longest-of-verl"
    isolation = "inline"

    def score_group(self, group: Any) -> list[float]:
        raise AssertionError("no group ever comes")


registry.load().plugs.setdefault(("reward", Longest.name), registry.Entry(Longest, "of-this-test", "no-distribution"))


@pytest.fixture
def mix(tmp_path: Path) -> Path:
    path = tmp_path / "mix.toml"
    path.write_text(MATH)
    return path


def test_the_three_ways_say_the_same(mix: Path) -> None:
    one = compute_score("gsm8k", RIGHT, "42", {"question": "?"}, run_file=mix)
    assert one == asyncio.run(compute_score_async("gsm8k", RIGHT, "42", {"question": "?"}, run_file=str(mix)))
    assert [one] == compute_score_batch(["gsm8k"], [RIGHT], ["42"], [None], run_file=str(mix))
    assert one == {
        "score": 1.0,
        "unscored": 0.0,
        "outcome": "scored",
        "reason": "1 × 1 math",
        "rewards/math": 1.0,
        "outcomes/math": "scored",
        "reasons/math": "42 equals 42: same text",
    }


def test_what_has_no_score_is_substituted_counted_and_said(mix: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "guerdon_verl"):
        for _ in range(5):
            told = compute_score("gsm8k", RIGHT, None, run_file=mix, substitute=-0.5)
    assert (told["score"], told["rewards/math"], told["unscored"]) == (-0.5, -0.5, 1.0)
    assert told["outcome"] == told["outcomes/math"] == "bad_ground_truth"
    said = [record.getMessage().partition(":")[0] for record in caplog.records]
    assert said == [f"{count} completions so far have no score, and are paid -0.5" for count in (1, 2, 4)]


def rollout(mix: Path, *handed_over: Any, **settings: Any) -> Rollout:
    return Judge(Settings.of({"run_file": mix, **settings})).rollout(*handed_over)


def test_a_task_is_what_extra_info_says(mix: Path) -> None:
    told = {"question": "How many?", "ability": "sums", "language": "de", "id": 7}
    task = rollout(mix, "gsm8k", "x", "42", told).task
    assert (task.prompt, task.domain, task.language, task.id) == ("How many?", "sums", "de", "7")
    assert task.metadata == told
    task = rollout(mix, "gsm8k", "x", "42", told, columns={"domain": "data_source", "id": "extra_info.ability"}).task
    assert (task.domain, task.id) == ("gsm8k", "sums")


def test_arrays_of_numpy_become_lists(mix: Path) -> None:
    import numpy as np

    prompt = np.array([{"role": "user", "content": "?"}], dtype=object)
    task = rollout(mix, "gsm8k", "x", np.array(["4", "2"]), {"prompt": prompt}).task
    assert (task.ground_truth, task.prompt) == (["4", "2"], [{"role": "user", "content": "?"}])


def test_a_prefilled_think_is_part_of_the_text(mix: Path) -> None:
    assert compute_score("gsm8k", r"so \boxed{42}", "42", run_file=mix)["score"] == 1
    assert compute_score("gsm8k", r"so \boxed{42}", "42", run_file=mix, prefill="<think>")["score"] == 0


def test_rewards_for_domains_need_to_be_told_of_them(mix: Path) -> None:
    mix.write_text(MATH + 'domains = ["gsm8k"]\n')
    with pytest.raises(OptionError, match=r"rewards.math.domains: verl does not tell .*columns.domain=data_source"):
        compute_score("gsm8k", RIGHT, "42", run_file=mix)
    assert compute_score("gsm8k", RIGHT, "42", run_file=mix, columns={"domain": "data_source"})["score"] == 1
    assert compute_score("poems", RIGHT, "42", run_file=mix, columns={"domain": "data_source"})["unscored"] == 1


def test_rewards_of_groups_are_refused(mix: Path) -> None:
    mix.write_text('[rewards.longest]\nuse = "longest-of-verl"\n')
    with pytest.raises(OptionError, match="verl hands them to reward functions one by one"):
        compute_score("gsm8k", RIGHT, "42", run_file=mix)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, r"reward_kwargs.run_file: is missing; as in `\+reward.custom_reward_function"),
        ({"run_file": "mix.toml", "substitue": 1}, "substitue: no such option; known here: .*substitute"),
        ({"run_file": "mix.toml", "substitute": "none"}, "substitute: .*valid number"),
        ({"run_file": "mix.toml", "substitute": float("nan")}, "substitute: .*finite number"),
        ({"run_file": "mix.toml", "columns": 3}, "columns: "),
        ({"run_file": "/no/such/mix.toml"}, "/no/such/mix.toml: does not exist"),
    ],
)
def test_what_is_wrong_with_its_options_is_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(GuerdonError, match=message):
        compute_score("gsm8k", RIGHT, "42", **wrong)


def test_what_verl_says_of_its_reward_models_is_not_ours(mix: Path) -> None:
    served = {"reward_router_address": "localhost:1", "reward_model_tokenizer": object()}
    assert compute_score("gsm8k", RIGHT, "42", run_file=mix, **served)["score"] == 1


def test_a_program_that_used_it_ends_in_silence(mix: Path) -> None:
    ask = f"import guerdon_verl as g; print(g.compute_score('gsm8k', {RIGHT!r}, '42', run_file={str(mix)!r})['score'])"
    ended = subprocess.run([sys.executable, "-c", ask], capture_output=True, check=False, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1.0\n", "")
