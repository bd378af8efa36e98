"""What a model is worth on tasks that are kept apart: samples, verdicts, votes and when they are taken."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import PrivateAttr

from guerdon import (
    GroupReward,
    LiveModel,
    Mixture,
    OptionError,
    PluginError,
    Rollout,
    Sampler,
    Sampling,
    Score,
    Task,
    Term,
    Unavailable,
    Verifier,
)
from guerdon.errors import RunFileError
from guerdon.evaluation import AT_ONCE, Evaluation, Evaluator, evaluate
from guerdon.options import checked
from guerdon.parquet import read_parquet
from guerdon.report import Report
from guerdon_tasks import FileTasks

MODEL = Path("a checkpoint")


class Scripted(Sampler):
    """Says what the task's metadata say that it says, and keeps in mind how it was asked."""

    name: ClassVar[str] = "scripted"
    _asked: list[tuple[list[str], int, Sampling]] = PrivateAttr(default_factory=list)

    async def sample(
        self, model: LiveModel | Path, tasks: Sequence[Task], group_size: int, sampling: Sampling
    ) -> list[list[Rollout]]:
        self._asked.append(([task.id for task in tasks], group_size, sampling))
        return [
            [
                Rollout(task, text, truncated="…" in text, completion_ids=[0] * len(text))
                for text in (task.metadata["says"] * group_size)[:group_size]
            ]
            for task in tasks
        ]


class Same(Verifier):
    """1 for the ground truth itself; the world is at fault for "down"."""

    name: ClassVar[str] = "same"
    isolation = "inline"

    def verify(self, rollout: Rollout) -> float:
        if rollout.completion == "down":
            raise Unavailable("it is down")
        return float(rollout.completion == rollout.task.ground_truth)


class Shortest(GroupReward):
    """1 for the shortest of a group."""

    name: ClassVar[str] = "shortest"
    isolation = "inline"

    def score_group(self, group: Sequence[Rollout]) -> list[Score]:
        least = min(len(rollout.completion) for rollout in group)
        return [Score(float(len(rollout.completion) == least), "by length") for rollout in group]


def task(name: str, *says: str, truth: Any = "yes", domain: str | None = None) -> Task:
    return Task(name, f"{name}?", truth, domain=domain, metadata={"says": list(says)})


def reported(
    tasks: Sequence[Task],
    k: int = 4,
    *,
    terms: Sequence[Term] = (Term("same", Same()),),
    correct: Sequence[str] = ("same",),
    sampler: Sampler | None = None,
    **more: Any,
) -> Report:
    async def work() -> Report:
        async with Mixture(terms, workers=1) as mixture:
            return await evaluate(
                tasks, mixture, sampler or Scripted(), MODEL, correct=correct, k=k, sampling=Sampling(seed=3), **more
            )

    return asyncio.run(work())


def test_pass_at_1_is_the_mean_over_tasks_and_pass_at_k_whether_one_of_k_is_right() -> None:
    metrics = reported([task("a", "yes"), task("b", "no"), task("c", "yes", "no", "no", "no")]).metrics()
    assert metrics["pass@1"] == pytest.approx((1 + 0 + 0.25) / 3)
    assert metrics["pass@4"] == pytest.approx(2 / 3)
    assert metrics["cons@4"] == pytest.approx(1 / 3)
    assert metrics["pass@1/low"] < metrics["pass@1"] < metrics["pass@1/high"]
    assert metrics["rewards/same/mean"] == pytest.approx(5 / 12)


def test_lengths_are_in_tokens_and_what_was_cut_off_is_told() -> None:
    metrics = reported([task("a", "yes", "no", "maybe…", "no")]).metrics()
    assert metrics["mean_length"] == (3 + 2 + 6 + 2) / 4
    assert metrics["clipped_ratio"] == 0.25


def test_one_sample_a_task_needs_no_votes() -> None:
    assert not {"pass@1", "cons@1"} <= reported([task("a", "yes")], 1).metrics().keys()


def test_a_completion_without_a_score_is_left_out_and_counted_and_never_wrong() -> None:
    report = reported([task("a", "yes", "down", "down", "no"), task("b", "yes"), task("c", "down")])
    metrics = report.metrics()
    assert metrics["unscored"] == 6
    assert metrics["pass@1"] == pytest.approx((1 / 2 + 1) / 2)
    assert metrics["pass@4"] == 1, "of the one task with four scores"
    assert metrics["rewards/same/mean"] == pytest.approx(5 / 6)
    by_task = {one["id"]: one for one in report.as_json()["per_task"]}
    assert (by_task["a"]["n"], by_task["a"]["c"], by_task["a"]["unscored"]) == (2, 1, 2)
    assert (by_task["c"]["pass@1"], by_task["c"]["pass@4"], by_task["c"]["cons@4"]) == (None, None, None)


def test_where_nothing_has_a_score_no_share_is_made_up() -> None:
    metrics = reported([task("a", "down")]).metrics()
    assert not [name for name in metrics if "@" in name or name.startswith("rewards/")]
    assert metrics["unscored"] == 4


def test_right_is_what_all_the_rewards_that_apply_hold_right() -> None:
    terms = [Term("same", Same()), Term("other", Same(), domains=["b"]), Term("short", Shortest())]
    tasks = [task("a", "yes", domain="a"), task("b", "yes", domain="b"), task("b", "yes", "yes!", domain="b")]
    report = reported(tasks, 2, terms=terms, correct=["other", "short"])
    assert [list(result.right) for result in report.results] == [[True, True], [True, True], [True, False]]
    only = reported(tasks, 2, terms=terms, correct=["other"])
    assert only.results[0].right == [None, None], "no reward says what is right there"


def test_samples_are_asked_for_in_portions_each_with_a_seed_of_its_own() -> None:
    tasks = [task(str(number), "yes") for number in range(100)]
    done: list[int] = []
    first, again = Scripted(), Scripted()
    reported(tasks, 8, sampler=first, done=done.append)
    reported(tasks, 8, sampler=again)
    assert first._asked == again._asked
    assert all(len(names) * 8 <= AT_ONCE for names, _, _ in first._asked)
    assert [name for names, _, _ in first._asked for name in names] == [one.id for one in tasks]
    seeds = [sampling.seed for _, _, sampling in first._asked]
    assert len(set(seeds)) == len(seeds) > 1
    assert sum(done) == 800


def test_a_sampler_that_gives_too_few_is_named() -> None:
    class Stingy(Scripted):
        name: ClassVar[str] = "stingy"

        async def sample(self, *asked: Any) -> list[list[Rollout]]:
            return (await super().sample(*asked))[1:]

    with pytest.raises(PluginError, match=r"sampler 'stingy': gave 1 groups of \[4\] completions, asked for 2 of 4"):
        reported([task("a", "yes"), task("b", "yes")], sampler=Stingy())


def test_a_reward_that_is_not_there_is_named() -> None:
    with pytest.raises(OptionError, match="no reward is named 'smae'; did you mean 'same'"):
        reported([task("a", "yes")], correct=["smae"])


def test_every_mistake_in_the_table_is_named_with_its_place(tmp_path: Path) -> None:
    table = {"tasks": {"use": "file", "pth": "x"}, "correct": [], "k": 0, "evry": 3, "top_p": 0, "temperature": -1}
    with pytest.raises(RunFileError) as caught:
        checked(Evaluation, table, "evaluation")
    places = {mistake.where: str(mistake) for mistake in caught.value.mistakes}
    assert "did you mean 'path'" in places["evaluation.tasks.pth"]
    assert "did you mean 'every'" in places["evaluation.evry"]
    assert {"evaluation.correct", "evaluation.k", "evaluation.top_p", "evaluation.temperature"} <= places.keys()


@pytest.fixture
def settings(tmp_path: Path) -> Evaluation:
    path = tmp_path / "tasks.jsonl"
    line = '{{"id": "{}", "prompt": "?", "ground_truth": "yes", "metadata": {{"says": ["yes", "{}"]}}}}\n'
    path.write_text("".join(line.format(number, "yes" if number % 3 else "no") for number in range(20)))
    return Evaluation(tasks=FileTasks(path=path), correct=("same",), k=2, every=10, limit=12)


def metrics_of(
    settings: Evaluation, directory: Path, steps: Sequence[int], last: int, before: int = 0
) -> dict[int, Any]:
    async def work() -> dict[int, Any]:
        async with Mixture([Term("same", Same())], workers=1) as mixture:
            evaluator = Evaluator(settings, mixture, directory, 3, before)
            return {step: await evaluator.after(step, step == last, MODEL, Scripted()) for step in steps}

    return asyncio.run(work())


def test_it_is_due_before_the_run_every_so_many_steps_and_after_the_last(settings: Evaluation, tmp_path: Path) -> None:
    found = metrics_of(settings, tmp_path, range(26), 25)
    assert [step for step, metrics in found.items() if metrics] == [0, 10, 20, 25]
    later = metrics_of(settings, tmp_path, range(11), 10, before=25)
    assert [step for step, metrics in later.items() if metrics] == [10], "its first model has been evaluated already"
    seldom = settings.model_copy(update={"every": 0})
    assert [step for step, one in metrics_of(seldom, tmp_path, range(26), 25).items() if one] == [0, 25]


def test_it_keeps_what_was_sampled_by_the_steps_of_the_run(settings: Evaluation, tmp_path: Path) -> None:
    found = metrics_of(settings, tmp_path, [5], 5, before=60)
    (path,) = (tmp_path / "evaluations").iterdir()
    assert path.name == "step-00065.parquet"
    rows = [row for _, row in read_parquet(path) if isinstance(row, dict)]
    assert len(rows) == 24
    assert {row["step"] for row in rows} == {65}
    assert [row["correct"] for row in rows[:4]] == [True, False, True, True]
    assert rows[1]["terms"]["same"]["value"] == 0
    assert found[5]["eval/pass@1"] == pytest.approx(sum(row["correct"] for row in rows) / 24)
    assert found[5]["eval/cons@2"] <= 1


def test_its_metrics_are_the_same_to_the_bit_every_time(settings: Evaluation, tmp_path: Path) -> None:
    one, other = (metrics_of(settings, tmp_path / name, [0, 20], 20) for name in ("one", "other"))
    assert repr(one) == repr(other)
