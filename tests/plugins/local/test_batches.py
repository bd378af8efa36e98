"""Micro-batches: cut in whatever way, they are the batch."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from guerdon_local.batches import Row, collate, micro_batches
from guerdon_local.deepseek_v3 import DeepseekV3
from guerdon_local.experience import Experience, Lesson, lessons, plain
from guerdon_local.grpo import Grpo
from guerdon_local.learner import Learner
from guerdon_local.logprobs import allowed_tokens, kept_logits, predicted
from guerdon_local.policy_update import PolicyUpdate

VOCABULARY = 20


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    policy = DeepseekV3(vocabulary=tuple("0123456789+= "), hidden_size=32)
    return policy.checkpoint(tmp_path_factory.mktemp("policy"))


def learner(directory: Path, options: Grpo) -> Learner:
    run: Any = SimpleNamespace(checkpoint=lambda: directory, journal=SimpleNamespace(restored=None))
    return Learner(run, options, 10)


def some_rows(count: int = 12) -> list[Experience]:
    random = torch.Generator().manual_seed(5)

    def ids(least: int, most: int) -> list[int]:
        length = int(torch.randint(least, most, (), generator=random))
        return torch.randint(4, VOCABULARY, (length,), generator=random).tolist()

    rows = []
    for i in range(count):
        completion = ids(1, 15)
        sampled = -torch.rand(len(completion), generator=random)
        rows.append(Experience(ids(1, 9), completion, [1.0, -0.5, 0.0, -1.0][i % 4], i != 5, sampled))
    return rows


@pytest.mark.parametrize("loss_type", ["grpo", "dapo", "dr_grpo"])
@pytest.mark.parametrize("beta", [0.0, 0.1])
def test_any_budget_of_tokens_gives_the_same_gradient(loss_type: str, beta: float, directory: Path) -> None:
    found = {}
    for budget in (1, 30, 64, 100, 10_000):
        options = Grpo(
            loss_type=loss_type,  # type: ignore[arg-type]
            beta=beta,
            tokens_per_micro_batch=budget,
            steps_per_generation=2,
            top_p=0.9,
            importance_sampling_level="sequence",
            max_grad_norm=0,
        )
        mine = learner(directory, options)
        update = PolicyUpdate(options, mine)
        (lesson,) = update.measured([Lesson(some_rows(), {})])
        mine.begin(0)
        metrics = update.learn(lesson.rows, 1)
        gradients = torch.cat([one.grad.flatten() for one in mine.optimizer.parameters if one.grad is not None])
        found[budget] = metrics, gradients
    metrics, gradients = found[10_000]
    assert gradients.abs().max() > 1e-3
    for budget, (others, theirs) in found.items():
        torch.testing.assert_close(theirs, gradients, atol=1e-6, rtol=1e-4, msg=f"a budget of {budget}")
        assert others == pytest.approx(metrics, abs=1e-5)


def test_rows_that_are_equal_are_computed_once_and_count_as_often_as_they_are_there(directory: Path) -> None:
    """Three of one row, of which one was worse than its group by what the others were better, and then some."""
    rows = [replace(row, counted=True) for row in some_rows(4)]
    many = [rows[0], rows[1], replace(rows[0], advantage=-2.5), rows[2], rows[3], rows[0]]
    found = []
    for apart in (False, True):
        options = Grpo(max_grad_norm=0, num_iterations=2, epsilon=0.002, tokens_per_micro_batch=10_000)
        mine = learner(directory, options)
        update = PolicyUpdate(options, mine)
        if apart:  # the model sees every row
            update._micro_batches = lambda rows, numbers: [[[i] for i in numbers]]  # type: ignore[method-assign]
        seen: list[int] = []
        mine.model.module.register_forward_pre_hook(
            lambda _, __, given, seen=seen: seen.append(len(given["input_ids"])), with_kwargs=True
        )
        (lesson,) = update.measured([Lesson(many, {})])
        mine.begin(0)
        with torch.no_grad():  # so that ratios are not 1
            for one in mine.optimizer.parameters:
                one.mul_(1.02)
        metrics = update.learn(lesson.rows, 1)
        assert max(seen) == (5 if apart else 3)
        gradients = torch.cat([one.grad.flatten() for one in mine.optimizer.parameters if one.grad is not None])
        found.append((metrics, gradients))
    torch.testing.assert_close(found[0][1], found[1][1], atol=1e-6, rtol=1e-4)
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-5)
    assert found[0][0]["clip_ratio/low"] + found[0][0]["clip_ratio/high"] > 0


@given(st.lists(st.integers(1, 40), max_size=30), st.integers(1, 200))
def test_every_row_is_in_one_micro_batch_and_none_is_over_the_budget_that_need_not_be(
    lengths: list[int], budget: int
) -> None:
    rows = [Row([0], [0] * (length - 1)) for length in lengths]
    batches = micro_batches(rows, budget)
    assert sorted(i for batch in batches for i in batch) == list(range(len(rows)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
    assert micro_batches(rows, budget) == batches
    padded = sum(len(batch) * max(lengths[i] for i in batch) for batch in batches)
    assert padded <= sum(lengths) + max(lengths, default=0) * len(batches) + 40 * 40


def test_padding_changes_no_log_probability(directory: Path) -> None:
    """Each row alone, and all of them side by side."""
    mine = learner(directory, Grpo())
    rows = some_rows()
    batch = mine.collate(rows)
    together = predicted(kept_logits(mine.model.module, batch), batch.targets).logprobs
    lengths = [len(row.completion_ids) for row in rows]
    for row, logprobs in zip(rows, batch.gathered(together, lengths), strict=True):
        one = mine.collate([row])
        alone = predicted(kept_logits(mine.model.module, one), one.targets).logprobs[0]
        torch.testing.assert_close(logprobs, alone, atol=1e-5, rtol=1e-5)
        whole = mine.model.module(input_ids=one.ids).logits[0].log_softmax(-1)
        begin = len(row.prompt_ids)
        expected = [whole[begin + i - 1, token] for i, token in enumerate(row.completion_ids)]
        torch.testing.assert_close(logprobs, torch.stack(expected), atol=1e-5, rtol=1e-5)


def test_the_mask_has_the_completions_and_nothing_else() -> None:
    batch = collate([Row([1, 2, 3], [4, 5]), Row([1], [6, 7, 8, 9]), Row([1, 2], [3])], 0, torch.device("cpu"))
    assert batch.ids.tolist() == [[1, 2, 3, 4, 5], [1, 6, 7, 8, 9], [1, 2, 3, 0, 0]]
    assert batch.targets.tolist() == [[2, 3, 4, 5], [6, 7, 8, 9], [2, 3, 0, 0]]
    assert batch.mask.tolist() == [[0, 0, 1, 1], [1, 1, 1, 1], [0, 1, 0, 0]]
    assert batch.tokens.sum() == 13
    values = [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0, 5.0, 6.0]), torch.tensor([7.0])]
    spread = batch.spread(values)
    assert spread.tolist() == [[0, 0, 1, 2], [3, 4, 5, 6], [0, 7, 0, 0]]
    assert all(torch.equal(a, b) for a, b in zip(batch.gathered(spread, [2, 4, 1]), values, strict=True))


def test_only_tokens_that_could_be_sampled_share_the_probability() -> None:
    logits = torch.tensor([[[3.0, 2.0, 1.0, -5.0]]])
    targets = torch.tensor([[1]])
    allowed = allowed_tokens(logits, 0.7, targets)
    assert allowed.tolist() == [[[True, True, False, False]]]
    logprob = predicted(logits, targets, allowed).logprobs.item()
    assert logprob == pytest.approx(float(torch.tensor([3.0, 2.0]).log_softmax(0)[1]))
    # What was sampled is allowed, even if rounding had left it out.
    assert allowed_tokens(logits, 0.01, torch.tensor([[3]])).tolist() == [[[True, False, False, True]]]


def test_the_entropy_is_of_what_is_sampled() -> None:
    logits = torch.zeros(1, 1, 8)
    targets = torch.tensor([[0]])
    assert predicted(logits, targets).entropy.item() == pytest.approx(float(torch.tensor(8.0).log()))
    half = torch.arange(8)[None, None] < 4
    assert predicted(logits, targets, half).entropy.item() == pytest.approx(float(torch.tensor(4.0).log()))


def test_experience_survives_a_checkpoint(directory: Path) -> None:
    options = Grpo(top_p=0.5)
    update = PolicyUpdate(options, learner(directory, options))
    before = [
        *update.measured([Lesson(some_rows(5), {"reward": 0.3})]),
        Lesson([], {}),
        Lesson(some_rows(3), {"a": 1.0}),
    ]
    after = lessons(plain(before))
    assert [lesson.metrics for lesson in after] == [lesson.metrics for lesson in before]
    for one, other in zip(
        (row for lesson in before for row in lesson.rows), (row for lesson in after for row in lesson.rows), strict=True
    ):
        assert [*one.prompt_ids] == [*other.prompt_ids]
        assert [*one.completion_ids] == [*other.completion_ids]
        assert (one.advantage, one.counted) == (other.advantage, other.counted)
        assert torch.equal(one.sampled, other.sampled)
        assert (one.old is None) == (other.old is None)
        assert one.old is None or torch.equal(one.old, other.old)  # type: ignore[arg-type]
        assert (one.allowed is None) == (other.allowed is None)
        if one.allowed and other.allowed:
            assert torch.equal(one.allowed.ids, other.allowed.ids)
            assert torch.equal(one.allowed.counts, other.allowed.counts)
    assert lessons(plain([])) == []
