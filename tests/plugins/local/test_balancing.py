"""Load balancing by the routers' biases."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM

from guerdon_local.balancing import Balancer
from guerdon_local.checkpoint import Checkpoint
from guerdon_local.deepseek_v3 import DeepseekV3
from guerdon_local.models import load


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return DeepseekV3(num_hidden_layers=3).checkpoint(tmp_path_factory.mktemp("made"))


@pytest.fixture
def module(made: Path) -> Any:
    return load(made, train=True).module


IDS = torch.randint(8, 100, (6, 20), generator=torch.Generator().manual_seed(0))
MASK = torch.arange(20) >= torch.tensor([0, 3, 19, 5, 0, 11])[:, None]


def chosen(module: Any, mask: torch.Tensor) -> dict[int, torch.Tensor]:
    """How many tokens each expert gets, counted from the routers' own outputs."""
    counts: dict[int, torch.Tensor] = {}

    def count(layer: int, experts: torch.Tensor) -> None:
        counts[layer] = torch.bincount(experts[mask.reshape(-1)].reshape(-1), minlength=8)

    hooks = [
        module.model.layers[layer].mlp.gate.register_forward_hook(lambda _, __, out, layer=layer: count(layer, out[2]))
        for layer in (1, 2)
    ]
    with torch.no_grad():
        module(IDS)
    for hook in hooks:
        hook.remove()
    return counts


def test_the_load_is_that_of_the_busiest_expert_over_the_mean(module: Any) -> None:
    counts = chosen(module, MASK)
    balancer = Balancer(module)
    with balancer.counting(MASK):
        module(IDS)
    loads = balancer.move(0)
    assert loads.keys() == counts.keys() == {1, 2}
    for layer, count in counts.items():
        assert count.sum() == 2 * MASK.sum()
        assert loads[layer] == pytest.approx(float(count.max() / count.float().mean()))


def test_biases_move_towards_an_even_load(module: Any) -> None:
    counts = chosen(module, MASK)
    balancer = Balancer(module)
    with balancer.counting(MASK):
        module(IDS)
    balancer.move(0.5)
    for layer, count in counts.items():
        bias = module.model.layers[layer].mlp.gate.e_score_correction_bias
        assert torch.equal(bias, 0.5 * torch.sign(2 * MASK.sum() / 8 - count))


def test_a_speed_of_zero_freezes_the_biases(module: Any) -> None:
    balancer = Balancer(module)
    with balancer.counting(MASK):
        module(IDS)
    assert balancer.move(0)
    assert not module.model.layers[1].mlp.gate.e_score_correction_bias.any()


def test_micro_batches_add_up(module: Any) -> None:
    whole, parts = Balancer(module), Balancer(module)
    with whole.counting(MASK):
        module(IDS)
    for begin in (0, 2, 4):
        with parts.counting(MASK[begin : begin + 2]):
            module(IDS[begin : begin + 2])
    assert whole.move(0) == parts.move(0)


def test_only_passes_inside_are_counted_and_only_once(module: Any) -> None:
    balancer = Balancer(module)
    module(IDS)
    assert balancer.move(0.1) == {}
    with balancer.counting(MASK):
        module(IDS)
    module(IDS)
    first = balancer.move(0)
    assert first
    assert balancer.move(0) == {}


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("backward_inside", [False, True])
def test_recomputation_is_not_counted(made: Path, reentrant: bool, backward_inside: bool) -> None:
    def counts(module: Any) -> dict[int, float]:
        balancer = Balancer(module)
        with balancer.counting(MASK):
            loss = module(IDS, use_cache=False).logits.square().mean()
            if backward_inside:
                loss.backward()
        if not backward_inside:
            loss.backward()
        assert balancer._counts[1].sum() == 2 * MASK.sum()
        return balancer.move(0)

    plain, checkpointing = load(made, train=True).module, load(made, train=True).module
    checkpointing.gradient_checkpointing_enable({"use_reentrant": reentrant})
    if reentrant:
        checkpointing.enable_input_require_grads()
    assert counts(plain) == counts(checkpointing)


def test_a_policy_with_an_adapter_is_balanced_too(made: Path, module: Any, tmp_path: Path) -> None:
    adapted = load(Checkpoint(path=str(made), lora_rank=2).checkpoint(tmp_path), train=True).module
    bare, wrapped = Balancer(module), Balancer(adapted)
    with bare.counting(MASK), wrapped.counting(MASK):
        module(IDS)
        adapted(IDS)
    assert bare.move(0.1) == wrapped.move(0.1)
    gate = adapted.get_base_model().model.layers[1].mlp.gate
    assert torch.equal(gate.e_score_correction_bias, module.model.layers[1].mlp.gate.e_score_correction_bias)


def test_a_model_without_experts_has_nothing_to_balance() -> None:
    shape = {"num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 1, "intermediate_size": 8}
    module = LlamaForCausalLM(LlamaConfig(vocab_size=100, **shape))
    balancer = Balancer(module)
    with balancer.counting(MASK):
        module(IDS)
    assert balancer.move(0.1) == {}


@pytest.mark.slow
def test_training_with_moving_biases_evens_the_load_at_equal_loss(tmp_path: Path) -> None:
    made = DeepseekV3().checkpoint(tmp_path)

    def trained(speed: float) -> tuple[float, float]:
        """The load, and the loss, of the last twenty of eighty steps of learning to copy."""
        module = load(made, train=True).module
        balancer, loads, losses = Balancer(module), [], []
        optimizer = torch.optim.AdamW(module.parameters(), lr=3e-3)
        generator = torch.Generator().manual_seed(0)
        for _ in range(80):
            ids = torch.randint(8, 16, (32, 10), generator=generator).repeat(1, 2)
            with balancer.counting(torch.ones_like(ids, dtype=torch.bool)):
                logits = module(ids, use_cache=False).logits[:, 9:-1]
            loss = cross_entropy(logits.reshape(-1, logits.shape[-1]), ids[:, 10:].reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loads.append(max(balancer.move(speed).values()))
            losses.append(loss.item())
        return sum(loads[-20:]) / 20, sum(losses[-20:]) / 20

    frozen, moving = trained(0), trained(0.01)
    assert moving[0] < 1.7
    assert frozen[0] > 2.5
    assert moving[1] < frozen[1] + 0.1
