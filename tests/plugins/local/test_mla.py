"""The fast reader of DeepSeek-V3 policies: transformers' logits, whatever the shape."""

from typing import Any

import pytest
import torch
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM

from guerdon_local import mla
from guerdon_local.generation import CachedReader

PROMPTS = [[5, 9, 3, 7, 4], [8, 3, 5, 12, 7, 7, 6, 20, 21], [4], [11, 12, 13, 14, 15, 16, 17]]
YARN = {
    "rope_type": "yarn",
    "rope_theta": 10000.0,
    "factor": 4.0,
    "original_max_position_embeddings": 64,
    "mscale": 1.0,
    "mscale_all_dim": 1.0,
    "beta_fast": 32,
    "beta_slow": 1,
}
SHAPES: dict[str, dict[str, Any]] = {
    "the tiny one": {},
    "several layers of experts": {"num_hidden_layers": 4},
    "only dense layers": {"first_k_dense_replace": 2},
    "groups of experts": {"n_routed_experts": 16, "n_group": 4, "topk_group": 2, "num_experts_per_tok": 3},
    "scaled experts": {"routed_scaling_factor": 2.5, "num_experts_per_tok": 4},
    "weights that do not sum to 1": {"norm_topk_prob": False},
    "two shared experts": {"n_shared_experts": 2},
    "queries without a latent vector": {"q_lora_rank": None},
    "rotation by halves": {"rope_interleave": False},
    "rotation as in YaRN": {"rope_parameters": YARN},
    "tied embeddings": {"tie_word_embeddings": True},
    "another epsilon": {"rms_norm_eps": 1e-3},
    "odd widths": {"hidden_size": 56, "num_attention_heads": 3, "v_head_dim": 20, "kv_lora_rank": 24},
}


def model(**options: Any) -> Any:
    """A random DeepSeek-V3 none of whose weights and biases is trivial."""
    shape: dict[str, Any] = {
        "vocab_size": 40,
        "hidden_size": 64,
        "intermediate_size": 96,
        "moe_intermediate_size": 32,
        "num_hidden_layers": 2,
        "first_k_dense_replace": 1,
        "num_attention_heads": 4,
        "n_routed_experts": 8,
        "num_experts_per_tok": 2,
        "n_group": 1,
        "topk_group": 1,
        "routed_scaling_factor": 1.0,
        "kv_lora_rank": 32,
        "q_lora_rank": 32,
        "qk_nope_head_dim": 32,
        "qk_rope_head_dim": 16,
        "v_head_dim": 32,
        "max_position_embeddings": 256,
        "initializer_range": 0.06,
        **options,
    }
    shape["num_key_value_heads"] = shape["num_attention_heads"]
    torch.manual_seed(0)
    module = DeepseekV3ForCausalLM(DeepseekV3Config(**shape)).eval()
    with torch.no_grad():
        for name, part in module.named_parameters():
            if "norm" in name:
                part.add_(torch.randn_like(part) * 0.1)
        for layer in module.model.layers:
            if hasattr(layer.mlp, "gate"):
                layer.mlp.gate.e_score_correction_bias += torch.randn(layer.mlp.gate.num_experts) * 0.1
    return module


def from_scratch(module: Any, rows: list[list[int]]) -> torch.Tensor:
    """The logits after each row, without padding or a cache."""
    with torch.no_grad():
        return torch.cat([module(torch.tensor([row]), use_cache=False).logits[:, -1] for row in rows])


@pytest.mark.parametrize("reader", [mla.LatentReader, CachedReader])
@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_those_of_transformers(reader: Any, shape: str) -> None:
    module = model(**SHAPES[shape])
    assert mla.pays(module)
    one = reader(module)
    rows = [list(prompt) for prompt in PROMPTS for _ in range(3)]
    logits = one.read(PROMPTS, 3, 8)
    generator = torch.Generator().manual_seed(0)
    for step in range(8):
        torch.testing.assert_close(logits, from_scratch(module, rows), rtol=1e-4, atol=1e-5)
        if step in (2, 5):
            kept = torch.tensor({2: [0, 1, 4, 7, 8, 10, 11], 5: [1, 2, 6]}[step])
            one.keep(kept)
            rows = [rows[number] for number in kept]
        tokens = torch.randint(0, 40, (len(rows),), generator=generator)
        rows = [[*row, int(token)] for row, token in zip(rows, tokens, strict=True)]
        logits = one.go_on(tokens)


def test_prompts_of_equal_length_need_no_padding() -> None:
    module = model()
    prompts = [[5, 6, 7], [8, 9, 10]]
    torch.testing.assert_close(mla.LatentReader(module).read(prompts, 1, 1), from_scratch(module, prompts))


def test_many_long_prompts_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    module = model()
    whole = mla.LatentReader(module).read(PROMPTS, 2, 1)
    monkeypatch.setattr(mla, "SCORES", 400)
    torch.testing.assert_close(mla.LatentReader(module).read(PROMPTS, 2, 1), whole)


def test_weights_that_have_changed_are_seen_by_the_next_reader() -> None:
    module = model()
    before = mla.LatentReader(module).read(PROMPTS, 1, 1)
    with torch.no_grad():
        module.model.layers[1].mlp.gate.e_score_correction_bias += torch.linspace(-3, 3, 8)
        module.model.layers[0].self_attn.kv_a_layernorm.weight *= 2
    after = mla.LatentReader(module).read(PROMPTS, 1, 1)
    assert (before - after).abs().max() > 0.01
    torch.testing.assert_close(after, from_scratch(module, PROMPTS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"attention_bias": True},
        {"hidden_act": "gelu"},
        {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}},
        {"some_new_option": 3},
        {"n_routed_experts": 64},
        {"hidden_size": 1024},
    ],
)
def test_what_it_does_not_know_is_left_to_transformers(options: dict[str, Any]) -> None:
    assert not mla.pays(model(**options))


def test_other_precisions_and_other_classes_are_left_to_transformers() -> None:
    assert not mla.pays(model().to(torch.bfloat16))
    assert not mla.pays(type("Changed", (DeepseekV3ForCausalLM,), {})(model().config))
