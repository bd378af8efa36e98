"""Learning rates, and gradients that are no numbers."""

import pytest
import torch

from guerdon import GuerdonError
from guerdon_local.grpo import Grpo
from guerdon_local.optimizer import SKIPPED_AT_MOST, Optimizer, learning_rate
from guerdon_local.reference import Reference
from guerdon_local.seeds import derived, shuffled


def test_learning_rates_rise_and_fall() -> None:
    options = Grpo(learning_rate=1.0, warmup_steps=4, min_lr_rate=0.1, lr_scheduler_type="linear")
    rates = [learning_rate(options, step, 10) for step in range(1, 11)]
    assert rates[:5] == pytest.approx([0.25, 0.5, 0.75, 1.0, 1.0])
    assert rates[4:] == pytest.approx([1.0, 0.85, 0.7, 0.55, 0.4, 0.25])
    cosine = options.model_copy(update={"lr_scheduler_type": "cosine"})
    assert [learning_rate(cosine, step, 10) for step in (5, 8)] == pytest.approx([1.0, 0.55])
    constant = options.model_copy(update={"lr_scheduler_type": "constant", "warmup_steps": 0})
    assert [learning_rate(constant, step, 10) for step in (1, 10)] == [1.0, 1.0]
    # A warm-up may be longer than the training.
    assert learning_rate(options, 2, 2) == 0.5


def test_a_gradient_that_is_no_number_is_skipped_and_several_in_a_row_end_the_run() -> None:
    module = torch.nn.Linear(2, 2)
    optimizer = Optimizer(module, Grpo(learning_rate=0.1), 100)
    before = module.weight.detach().clone()

    def step(number: int, gradient: float, loss: float = 1.0) -> dict[str, float]:
        optimizer.begin()
        assert module.weight.grad is not None
        module.weight.grad += gradient
        return optimizer.step(number, loss)

    for number, (gradient, loss) in enumerate([(float("nan"), 1.0), (float("inf"), 1.0), (1.0, float("nan"))], 1):
        assert step(number, gradient, loss)["updates/skipped"] == 1
    assert torch.equal(module.weight, before)
    assert step(4, 1.0)["updates/skipped"] == 0
    assert not torch.equal(module.weight, before)
    assert module.weight.isfinite().all()
    for number in range(5, 4 + SKIPPED_AT_MOST):
        step(number, float("nan"))
    with pytest.raises(GuerdonError, match=r"grpo: step 9.*5 steps in a row.*lower learning_rate"):
        step(9, float("nan"))


def test_weight_decay_is_for_matrices() -> None:
    module = torch.nn.Linear(2, 2)
    before = [one.detach().clone() for one in module.parameters()]
    optimizer = Optimizer(module, Grpo(learning_rate=0.1, weight_decay=0.5, lr_scheduler_type="constant"), 100)
    optimizer.begin()
    optimizer.step(1, 0.0)
    torch.testing.assert_close(module.weight.detach(), before[0] * 0.95)
    assert torch.equal(module.bias, before[1])


def test_the_reference_is_what_the_module_was() -> None:
    module = torch.nn.BatchNorm1d(3)  # it has parameters, and buffers that move
    reference = Reference(module)
    kept = {name: one.clone() for name, one in module.state_dict().items()}
    with torch.no_grad():
        module.weight += 1
        module.running_mean += 1  # type: ignore[operator]
    with reference.in_place():
        assert all(torch.equal(one, kept[name]) for name, one in module.state_dict().items())
    assert (module.weight == 2).all()
    assert (module.running_mean == 1).all()  # type: ignore[union-attr]
    reference.refresh()
    with torch.no_grad():
        module.weight += 1
    with reference.in_place():
        assert (module.weight == 2).all()


def test_every_epoch_asks_all_tasks_in_another_order() -> None:
    order = shuffled(10, 3, "rl")
    epochs = [[next(order) for _ in range(10)] for _ in range(4)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4
    flat = [one for epoch in epochs for one in epoch]
    for cursor in (0, 3, 10, 25, 39):
        again = shuffled(10, 3, "rl", cursor)
        assert [next(again) for _ in range(40 - cursor)] == flat[cursor:]
    other = shuffled(10, 3, "sft")
    assert [next(other) for _ in range(10)] != epochs[0]


def test_seeds_are_apart_and_always_the_same() -> None:
    seeds = {derived(0, stage, use, step) for stage in ("a", "b") for use in ("x", "y") for step in range(100)}
    assert len(seeds) == 400
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derived(1, "rl", "sampling", 7) == derived(1, "rl", "sampling", 7) != derived(2, "rl", "sampling", 7)
