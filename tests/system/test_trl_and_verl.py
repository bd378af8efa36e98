"""The same rollouts by a library call, in TRL's trainer and in verl's reward manager: the same, down to the reasons."""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from guerdon import Rollout, Task
from guerdon.ledger import Ledger, verdict
from guerdon.runfile import load

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "plugins" / name) for name in ("trl", "verl")]

pytestmark = pytest.mark.slow

MIX = """
[rewards.format]
use = "think-tags"
weight = 0.5
[rewards.math]
use = "boxed-math"
domains = ["math"]
[rewards.one-language]
use = "language-consistency"
weight = 0.25
language = "en"
"""
GROUP, GROUPS = 4, 4
"""Completions of a prompt, and prompts of a step."""


def corpus(name: str) -> list[dict[str, Any]]:
    with gzip.open(TESTS / "corpora" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def written() -> dict[str, tuple[Task, list[str]]]:
    """Tasks by their prompts, which are all different, each with four completions of real models, or made of one."""
    broken = Task("broken", "nobody knows", "no number at all {", "math")
    found = [(broken, [r"\boxed{1}", "<think>a</think><answer>b</answer>", "", "<think>"])]
    for item in corpus("math/dev")[::60]:
        answer = item["response"]
        made = [answer, f"<think>Let us see.</think>\n<answer>{answer}</answer>", f"<think>{answer}", "日本語だけ"]
        found.append((Task(item["id"], f"{item['id']}: ?", item["gold"], "math", "en"), made))
    groups: dict[str, list[dict[str, Any]]] = {}
    for item in corpus("outputs/math_groups"):
        groups.setdefault(item["group"], []).append(item)
    for name, items in [one for one in groups.items() if len(one[1]) == GROUP][:16]:
        task = Task(name, f"{name}: {items[0]['prompt']}", items[0]["ground_truth"], "math")
        found.append((task, [item["completion"] for item in items]))
    for number, item in enumerate(corpus("language/dev")[::80]):
        text = item["text"]
        made = [f"<think>{text}</think>", text, f"<think>{text}</think><answer>1</answer>", f"{text}</think>"]
        found.append((Task(f"language-{number}", f"{number}: write", None, "writing", item["target"]), made))
    short = [one for one in found if all(len(completion.encode()) < 1000 for completion in one[1])]
    short = short[: len(short) // GROUPS * GROUPS]  # whole batches
    assert len(short) >= 4 * GROUPS
    return {str(task.prompt): (task, completions) for task, completions in short}


def said(told: dict[str, Any]) -> Any:
    """All of a verdict that does not depend on the clock."""
    terms = {name: (one["value"], one["reason"], str(one["outcome"])) for name, one in told["terms"].items()}
    return told["score"], told["reason"], str(told["outcome"]), terms


@pytest.fixture(scope="module")
def rollouts() -> dict[str, tuple[Task, list[str]]]:
    return written()


@pytest.fixture(scope="module")
def mix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("same") / "mix.toml"
    path.write_text(MIX)
    return path


@pytest.fixture(scope="module")
def by_library_call(mix: Path, rollouts: dict[str, tuple[Task, list[str]]]) -> dict[tuple[str, str], Any]:
    """What is said of each completion of each task."""
    asked = [Rollout(task, one) for task, completions in rollouts.values() for one in completions]
    with load(mix).mixture() as mixture:
        totals = mixture.submit(asked).result()
    found = {(one.task.id, one.completion): said(verdict(total)) for one, total in zip(asked, totals, strict=True)}
    outcomes = {outcome for _, _, outcome, _ in found.values()}
    assert {"scored", "bad_ground_truth"} <= outcomes
    assert len({score for score, *_ in found.values()}) > 5
    return found


def test_in_trls_trainer(mix: Path, rollouts: dict[str, Any], by_library_call: dict[Any, Any], tmp_path: Path) -> None:
    from tiny_trl import logged, trained

    from guerdon_trl import reward_funcs

    rows = [
        {
            "prompt": prompt,
            "id": task.id,
            "ground_truth": task.ground_truth,
            "domain": task.domain,
            "language": task.language,
        }
        for prompt, (task, _) in rollouts.items()
    ]

    def write(prompts: list[str]) -> list[str]:
        assert all(len(set(prompts[start : start + GROUP])) == 1 for start in range(0, len(prompts), GROUP))
        return [rollouts[prompt][1][number % GROUP] for number, prompt in enumerate(prompts)]

    trainer = trained(
        tmp_path,
        reward_funcs(mix, directory=tmp_path / "kept"),
        rows,
        write,
        per_device_train_batch_size=GROUP * GROUPS,
        max_steps=len(rows) // GROUPS,
        max_completion_length=4096,
    )
    kept = list(Ledger(tmp_path / "kept").read())
    assert len(kept) == len(rows) * GROUP
    assert {(row["id"], row["completion"]): said(row) for row in kept} == by_library_call
    for log in logged(trainer):
        known = [row["score"] for row in kept if row["step"] == log["step"] and row["score"] is not None]
        assert log["reward"] == pytest.approx(sum(known) / len(known), rel=1e-5)


def test_in_verls_reward_manager(mix: Path, rollouts: dict[str, Any], by_library_call: dict[Any, Any]) -> None:
    from real_verl import batch, configured, judged
    from tokenizer_of_bytes import byte_tokenizer

    tokenizer = byte_tokenizer()
    asked = [(task, one) for task, completions in rollouts.values() for one in completions]
    rows = [
        {
            "completion": completion,
            "ground_truth": task.ground_truth,
            "extra_info": {"prompt": task.prompt, "id": task.id, "domain": task.domain, "language": task.language},
        }
        for task, completion in asked
    ]
    found = judged(configured(mix, "compute_score_async"), tokenizer, batch(tokenizer, rows))
    for (task, completion), one in zip(asked, found, strict=True):
        shown = one["reward_extra_info"]
        score, reason, outcome, terms = by_library_call[task.id, completion]
        assert one["reward_score"] == (score if score is not None else 0.0)
        assert (shown["unscored"], shown["reason"], shown["outcome"]) == (float(score is None), reason, outcome)
        assert {
            name: (shown[f"rewards/{name}"], shown[f"reasons/{name}"], shown[f"outcomes/{name}"]) for name in terms
        } == {name: (value if value is not None else 0.0, *rest) for name, (value, *rest) in terms.items()}
