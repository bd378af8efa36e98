"""The layers of a small policy give what transformers' layers give, forwards and backwards."""

import copy
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

from guerdon_local import tiny
from guerdon_local.balancing import Balancer

SHAPE: dict[str, Any] = {
    "vocab_size": 30,
    "hidden_size": 24,
    "intermediate_size": 40,
    "moe_intermediate_size": 12,
    "num_hidden_layers": 3,
    "first_k_dense_replace": 1,
    "num_attention_heads": 3,
    "num_key_value_heads": 3,
    "n_routed_experts": 6,
    "num_experts_per_tok": 2,
    "n_shared_experts": 2,
    "n_group": 1,
    "topk_group": 1,
    "kv_lora_rank": 20,
    "q_lora_rank": 18,
    "qk_nope_head_dim": 14,
    "qk_rope_head_dim": 8,
    "v_head_dim": 10,
    "routed_scaling_factor": 1.5,
    "initializer_range": 0.3,
    "num_nextn_predict_layers": 0,
}
IDS = torch.randint(30, (7, 19), generator=torch.Generator().manual_seed(1))


def policy(**shape: Any) -> Any:
    """A policy none of whose weights is at a value that would hide a mistake, such as the ones of a fresh norm."""
    torch.manual_seed(0)
    module = DeepseekV3ForCausalLM(DeepseekV3Config(**(SHAPE | shape)))
    with torch.no_grad():
        for name, one in module.named_parameters():
            if "norm" in name:
                one.uniform_(0.5, 1.5)
        for name, bias in module.named_buffers():
            if name.endswith("e_score_correction_bias"):
                bias.normal_(0, 0.1)
    return module


def two(**shape: Any) -> tuple[Any, Any]:
    """Transformers' layers, and ours, of the same weights."""
    theirs = policy(**shape)
    ours = copy.deepcopy(theirs)
    tiny.use(ours)
    assert "forward" in vars(ours.model.norm)
    return theirs, ours


def learnt(module: Any, **inputs: Any) -> tuple[Tensor, dict[str, Tensor]]:
    """Logits, and the gradients of a loss in which every logit counts differently."""
    logits = module(input_ids=IDS, use_cache=False, **inputs).logits
    weights = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2))
    (logits * weights).sum().backward()
    return logits.detach(), {name: one.grad for name, one in module.named_parameters()}


def assert_same(theirs: tuple[Tensor, dict[str, Tensor]], ours: tuple[Tensor, dict[str, Tensor]]) -> None:
    assert torch.allclose(theirs[0], ours[0], atol=1e-4, rtol=1e-4)
    for name, gradient in theirs[1].items():
        assert (gradient - ours[1][name]).norm() <= 1e-4 * gradient.norm(), name


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"norm_topk_prob": False},
        {"num_hidden_layers": 1},
        {"first_k_dense_replace": 0, "n_routed_experts": 16, "num_experts_per_tok": 5},
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "mscale_all_dim": 1.0}},
    ],
)
def test_logits_and_gradients_are_those_of_transformers(shape: dict[str, Any]) -> None:
    theirs, ours = two(**shape)
    assert_same(learnt(theirs), learnt(ours))


def test_an_expert_that_nobody_asks_gets_a_gradient_of_zero() -> None:
    theirs, ours = two()
    for module in (theirs, ours):
        module.model.layers[1].mlp.gate.e_score_correction_bias[3] = -100
    expected, found = learnt(theirs), learnt(ours)
    assert_same(expected, found)
    assert not found[1]["model.layers.1.mlp.experts.gate_up_proj"][3].any()


def test_padding_on_the_left_and_positions_are_heeded() -> None:
    mask = torch.ones_like(IDS)
    mask[2, :6] = 0
    places = (mask.cumsum(1) - 1).clamp(min=0)
    theirs, ours = two()
    expected = theirs(input_ids=IDS, attention_mask=mask, position_ids=places).logits
    found = ours(input_ids=IDS, attention_mask=mask, position_ids=places).logits
    assert torch.allclose(expected[mask.bool()], found[mask.bool()], atol=1e-4)
    later = torch.arange(19)[None] + torch.tensor([[3]]) * (torch.arange(19)[None] > 8)
    expected, found = (one(input_ids=IDS, position_ids=later).logits for one in (theirs, ours))
    assert torch.allclose(expected, found, atol=1e-4)


def test_a_cache_gives_what_reading_at_once_gives() -> None:
    theirs, ours = two()
    begun = ours(input_ids=IDS[:, :11], use_cache=True)
    gone_on = ours(input_ids=IDS[:, 11:], past_key_values=begun.past_key_values).logits
    assert torch.allclose(theirs(input_ids=IDS).logits[:, 11:], gone_on, atol=1e-4)


def test_the_balancer_counts_the_same_tokens() -> None:
    loads = []
    for module in two():
        balancer = Balancer(module)
        with balancer.counting(torch.ones_like(IDS, dtype=torch.bool)):
            learnt(module)
        loads.append(balancer.move(0.0))
    assert loads[0] == loads[1]
    assert set(loads[0]) == {1, 2}


def test_with_bf16_transformers_layers_run() -> None:
    found = []
    for module in two():
        with torch.autocast("cpu", torch.bfloat16):
            found.append(learnt(module))
    assert torch.equal(found[0][0], found[1][0])
    assert all(torch.equal(found[0][1][name], found[1][1][name]) for name in found[0][1])


def test_gradient_checkpointing_changes_no_bit() -> None:
    ours, again = two()[1], two()[1]
    again.gradient_checkpointing_enable({"use_reentrant": False})
    again.train()
    plain, checkpointed = learnt(ours), learnt(again)
    assert torch.equal(plain[0], checkpointed[0])
    assert all(torch.equal(plain[1][name], checkpointed[1][name]) for name in plain[1])


def test_a_copy_has_weights_of_its_own() -> None:
    _, ours = two()
    other = copy.deepcopy(ours)
    before = ours(input_ids=IDS).logits
    with torch.no_grad():
        for one in other.parameters():
            one.zero_()
    assert torch.equal(ours(input_ids=IDS).logits, before)
    assert not other(input_ids=IDS).logits.any()


@pytest.mark.parametrize(
    "shape",
    [
        {"n_group": 2, "topk_group": 1},
        {"q_lora_rank": None},
        {"rope_interleave": False},
        {"attention_bias": True},
        {"attention_dropout": 0.1},
        {"hidden_act": "gelu"},
        {"hidden_size": 1024},
        {"kv_lora_rank": 128},
    ],
)
def test_what_these_layers_do_not_know_or_are_no_faster_for_is_left_alone(shape: dict[str, Any]) -> None:
    module = policy(**shape)
    tiny.use(module)
    assert not any("forward" in vars(part) for part in module.modules())


def test_an_adapter_is_left_alone() -> None:
    from peft import LoraConfig, get_peft_model

    adapted = get_peft_model(policy(), LoraConfig(target_modules=["q_a_proj", "o_proj"]))
    tiny.use(adapted)
    assert not any("forward" in vars(part) for part in adapted.modules())
