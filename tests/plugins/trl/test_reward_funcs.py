"""What reward functions make of what TRL hands over, and what they refuse."""

import asyncio
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_trl import Share, mixture_file

from guerdon import GuerdonError
from guerdon.ledger import Ledger
from guerdon_trl import reward_funcs

TWO = '[rewards.vowels]\nuse = "share"\nmute = "x"\nweight = 2\n[rewards.short]\nuse = "share"\nof = "q"\nweight = -1\n'


@pytest.fixture
def two(tmp_path: Path) -> Path:
    return mixture_file(tmp_path, TWO)


def paid(functions: list[Any], completions: Any, **more: Any) -> list[list[float | None]]:
    """What each function pays, asked as TRL asks: one after the other, for the same lists."""
    prompts = more.pop("prompts", ["p"] * len(completions))
    return [function(prompts=prompts, completions=completions, **more) for function in functions]


def test_one_function_gives_the_total_and_none_for_no_score(two: Path) -> None:
    (function,) = reward_funcs(two)
    assert function.__name__ == "guerdon"
    assert paid([function], ["aaq.", "xa", "...."]) == [[2 * 0.5 - 0.25, None, 0.0]]


def test_one_function_a_term_adds_up_to_the_total_and_is_none_wherever_that_is(two: Path) -> None:
    functions = reward_funcs(two, per_term=True)
    assert [(one.__name__, one.weight) for one in functions] == [("vowels", 2.0), ("short", -1.0)]
    assert paid(functions, ["aaq.", "xq"]) == [[0.5, None], [0.25, None]]


def test_a_term_for_other_domains_leaves_the_sum_and_nothing_else(tmp_path: Path) -> None:
    path = mixture_file(tmp_path, TWO + 'domains = ["music"]\n')
    functions = reward_funcs(path, per_term=True)
    assert paid(functions, ["aq", "aq"], domain=["music", "sums"]) == [[0.5, 0.5], [0.5, None]]
    assert paid(reward_funcs(path), ["aq", "aq"], domain=["music", "sums"]) == [[0.5, 1.0]]


def test_however_many_functions_ask_a_batch_is_judged_once(two: Path) -> None:
    Share.judged.clear()
    first, second = reward_funcs(two, per_term=True)
    paid([first, second], ["a", "b"])
    assert sorted(Share.judged) == ["a", "a", "b", "b"], "each of two terms judges each of two completions"
    completions = ["a"]
    paid([first], completions)
    completions[0] = "."
    assert paid([first, second], completions) == [[0.0], [0.0]], "a list that was changed is another batch"


def test_asynchronous_functions_that_ask_together_are_one_judging(two: Path) -> None:
    functions: list[Any] = reward_funcs(two, per_term=True, asynchronous=True)
    Share.judged.clear()

    async def ask() -> list[list[float | None]]:
        completions = ["aq", "x"]
        return await asyncio.gather(*(one(prompts=["p", "p"], completions=completions) for one in functions))

    assert asyncio.run(ask()) == [[0.5, None], [0.5, None]]
    assert sorted(Share.judged) == ["aq", "aq", "x", "x"]
    assert asyncio.run(ask()) == [[0.5, None], [0.5, None]], "another loop, the same mixture"


def test_one_that_is_cancelled_does_not_take_the_others_with_it(two: Path) -> None:
    first, second = reward_funcs(two, per_term=True, asynchronous=True)

    async def ask() -> list[float | None]:
        asked: dict[str, Any] = {"prompts": ["p"], "completions": ["aq"]}
        impatient = asyncio.create_task(first(**asked))
        patient = asyncio.create_task(second(**asked))
        await asyncio.sleep(0)
        impatient.cancel()
        return await patient

    assert asyncio.run(ask()) == [0.5]


def test_trl_is_told_of_terms_reasons_and_what_has_no_score(two: Path, caplog: pytest.LogCaptureFixture) -> None:
    metrics: dict[str, float] = {}
    columns: dict[str, list[Any]] = {}
    with caplog.at_level(logging.WARNING, "guerdon_trl"):
        paid(reward_funcs(two), ["aq", "x."], log_metric=metrics.__setitem__, log_extra=columns.__setitem__)
    assert metrics == {"frac_unscored": 0.5, "rewards/vowels/mean": 0.5, "rewards/short/mean": 0.25}
    assert columns["reason"][0] == "2 × 0.5 vowels + -1 × 0.5 short"
    assert "does not like how it begins" in columns["reason"][1]
    assert "1 of 2 rollouts have no score" in caplog.text


def test_every_rollout_is_kept_with_its_reasons_where_that_is_asked_for(two: Path, tmp_path: Path) -> None:
    functions = reward_funcs(two, directory=tmp_path / "kept")
    state = SimpleNamespace(global_step=6)
    paid(functions, ["aq", "x."], completion_ids=[[1, 2], [3]], solution=["2", "3"], trainer_state=state)
    rows = list(Ledger(tmp_path / "kept").read())
    assert [(row["step"], row["completion"], row["completion_ids"], row["ground_truth"]) for row in rows] == [
        (7, "aq", [1, 2], "2"),
        (7, "x.", [3], "3"),
    ]
    assert [(row["score"], row["outcome"]) for row in rows] == [(0.5, "scored"), (None, "unavailable")]


def test_columns_of_the_data_set_become_the_task(two: Path, tmp_path: Path) -> None:
    functions = reward_funcs(two, directory=tmp_path / "kept", columns={"id": "name", "metadata": "about.more"})
    columns = {"name": ["one"], "domain": ["sums"], "language": ["de"], "answer": [7], "about": [{"more": '{"a": 1}'}]}
    paid(functions, ["aq"], prompts=[[{"role": "user", "content": "?"}]], **columns)
    (row,) = Ledger(tmp_path / "kept").read()
    assert row["prompt"] == [{"role": "user", "content": "?"}]
    assert {name: row[name] for name in ("id", "domain", "language", "ground_truth", "metadata")} == {
        "id": "one",
        "domain": "sums",
        "language": "de",
        "ground_truth": 7,
        "metadata": {"a": 1},
    }


def test_a_column_that_was_named_and_is_not_there_is_an_error(two: Path) -> None:
    functions = reward_funcs(two, columns={"ground_truth": "targt"})
    with pytest.raises(GuerdonError, match=r"row 0 of TRL's batch: has no column 'targt'.*did you mean 'target'"):
        paid(functions, ["a"], target=["1"])


def message(**fields: Any) -> list[dict[str, Any]]:
    return [{"role": "assistant", **fields}]


@pytest.mark.parametrize(
    ("completion", "text"),
    [
        (message(content="hm"), "<think>hm"),
        (message(content="yes", reasoning_content="hm"), "<think>hm</think>yes"),
        (message(content="yes", thinking="hm"), "<think>hm</think>yes"),
        (message(content=None, tool_calls=[{"type": "function"}]), "<think>"),
        ("hm", "<think>hm"),
    ],
)
def test_a_message_is_read_as_it_was_written(two: Path, tmp_path: Path, completion: Any, text: str) -> None:
    paid(reward_funcs(two, directory=tmp_path / "kept", prefill="<think>"), [completion])
    (row,) = Ledger(tmp_path / "kept").read()
    assert row["prefill"] + row["completion"] == text


@pytest.mark.parametrize(
    ("completion", "fault"),
    [
        (message(content="a") + message(content="b"), "2 messages"),
        (message(content=[{"type": "image"}]), "the content of the completion is list"),
        ([], "0 messages"),
    ],
)
def test_what_cannot_be_judged_is_named(two: Path, completion: Any, fault: str) -> None:
    with pytest.raises(GuerdonError, match=f"row 0 of TRL's batch: .*{fault}"):
        paid(reward_funcs(two), [completion])


def test_gates_cannot_be_added_up(tmp_path: Path) -> None:
    path = mixture_file(tmp_path, TWO + "gate = true\n")
    with pytest.raises(GuerdonError, match=r"rewards.short.gate: TRL adds up"):
        reward_funcs(path, per_term=True)
    assert paid(reward_funcs(path), ["aa"]) == [[0.0]]


def test_rewards_of_groups_need_the_size_of_groups_and_whole_ones(tmp_path: Path) -> None:
    path = mixture_file(tmp_path, '[rewards.longest]\nuse = "longest"\n')
    with pytest.raises(GuerdonError, match=r"group_size=8"):
        reward_funcs(path)
    functions = reward_funcs(path, group_size=2)
    completions = ["a", "aa", "aaa", "a"]
    assert paid(functions, completions, prompts=["p", "p", "q", "q"]) == [[0.0, 1.0, 1.0, 0.0]]
    for prompts in (["p", "q", "q", "p"], ["p", "p", "p"]):
        with pytest.raises(GuerdonError, match="are not the 2 completions of a prompt"):
            paid(functions, completions[: len(prompts)], prompts=prompts)


def test_equal_prompts_of_other_tasks_are_not_one_group(tmp_path: Path) -> None:
    functions = reward_funcs(mixture_file(tmp_path, '[rewards.longest]\nuse = "longest"\n'), group_size=2)
    with pytest.raises(GuerdonError, match="rows 0 to 1"):
        paid(functions, ["a", "b"], solution=["1", "2"])


def test_a_run_file_that_is_wrong_is_an_error_before_anything_is_trained(tmp_path: Path) -> None:
    with pytest.raises(GuerdonError, match=r"rewards.vowels.muet: no such option; did you mean 'mute'"):
        reward_funcs(mixture_file(tmp_path, TWO.replace("mute", "muet")))
    with pytest.raises(GuerdonError, match="does not exist"):
        reward_funcs(tmp_path / "none.toml")
    with pytest.raises(GuerdonError, match="there is no such stage"):
        reward_funcs(mixture_file(tmp_path, TWO), stage="rl")


def test_overrides_are_those_of_the_command_line(two: Path) -> None:
    assert paid(reward_funcs(two, overrides=["rewards.vowels.weight=4"]), ["aq"]) == [[1.5]]
