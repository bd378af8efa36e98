"""Policies: checkpoints from options, from directories and from the hub."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForCausalLM

from guerdon import DataError
from guerdon_local.checkpoint import Checkpoint
from guerdon_local.deepseek_v3 import DeepseekV3
from guerdon_local.models import load, save


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return DeepseekV3().checkpoint(tmp_path_factory.mktemp("tiny"))


def test_the_policy_without_options_is_the_tiny_one(tiny: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny)
    assert type(model).__name__ == "DeepseekV3ForCausalLM"
    assert 130_000 < sum(part.numel() for part in model.parameters()) < 160_000


def test_the_same_options_give_the_same_bytes_whatever_was_drawn_before(tiny: Path, tmp_path: Path) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    other = DeepseekV3().checkpoint(tmp_path)
    assert torch.equal(before, torch.get_rng_state())
    for file in tiny.iterdir():
        assert (other / file.name).read_bytes() == file.read_bytes(), file.name


def test_another_seed_gives_other_weights(tiny: Path, tmp_path: Path) -> None:
    other = DeepseekV3(seed=1).checkpoint(tmp_path)
    assert (other / "model.safetensors").read_bytes() != (tiny / "model.safetensors").read_bytes()


def test_a_checkpoint_is_built_once(tmp_path: Path) -> None:
    first = DeepseekV3().checkpoint(tmp_path)
    written = (first / "model.safetensors").stat().st_mtime_ns
    assert DeepseekV3().checkpoint(tmp_path) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == written
    assert [place.name for place in tmp_path.iterdir()] == [first.name]


def test_other_options_build_it_anew(tmp_path: Path) -> None:
    DeepseekV3().checkpoint(tmp_path)
    second = DeepseekV3(hidden_size=32).checkpoint(tmp_path)
    assert json.loads((second / "config.json").read_text())["hidden_size"] == 32
    assert [place.name for place in tmp_path.iterdir()] == [second.name]


def test_what_an_ended_process_left_unfinished_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "deepseek-v3").mkdir()
    (tmp_path / "deepseek-v3" / "config.json").write_text("{}")
    load(DeepseekV3().checkpoint(tmp_path))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"n_group": 3}, "n_group = 3 does not divide n_routed_experts = 8"),
        ({"n_group": 8}, "groups of two or more"),
        ({"n_group": 2, "topk_group": 3}, "topk_group = 3 is more than there are groups"),
        ({"num_experts_per_tok": 9}, "a token may choose from only 8 experts"),
        ({"n_group": 4, "num_experts_per_tok": 3}, "a token may choose from only 2 experts"),
        ({"first_k_dense_replace": 3}, "num_hidden_layers is only 2"),
        ({"hidden_size": 50}, "multiple of 8"),
        ({"moe_intermediate_size": 20}, "multiple of 8"),
        ({"qk_rope_head_dim": 15}, "multiple of 2"),
        ({"vocabulary": ("a", "")}, "a piece is empty"),
        ({"vocabulary": ("a", "a")}, "a piece is there twice"),
        ({"vocabulary": ("a", "<think>")}, "is a tag"),
        ({"num_attention_head": 4}, "Extra inputs"),
    ],
)
def test_what_transformers_would_fail_at_is_said_at_once(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(said)):
        DeepseekV3(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"n_group": 4, "topk_group": 2, "num_experts_per_tok": 4},
        {"first_k_dense_replace": 0},
        {"first_k_dense_replace": 2},
        {"q_lora_rank": None, "n_shared_experts": 2, "tie_word_embeddings": True},
        {"num_attention_heads": 3, "hidden_size": 56, "v_head_dim": 20},
        {"vocabulary": ("0", "1", "+")},
    ],
)
def test_shapes_that_fit_can_be_run(options: dict[str, Any], tmp_path: Path) -> None:
    model = load(DeepseekV3(**options).checkpoint(tmp_path))
    ids = torch.tensor([model.tokenizer.encode("1+1")])
    assert model.module(ids).logits.shape == (1, 4, len(model.tokenizer))


def test_a_later_stage_starts_from_the_weights_of_an_earlier_one(tiny: Path, tmp_path: Path) -> None:
    assert DeepseekV3(seed=9).checkpoint(tmp_path, start=tiny) == tiny


def test_a_later_stage_of_another_shape_is_told(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"its hidden_size is 64, and the policy's is 32"):
        DeepseekV3(hidden_size=32).checkpoint(tmp_path, start=tiny)
    with pytest.raises(DataError, match=r"config.json.* cannot be read"):
        DeepseekV3().checkpoint(tmp_path, start=tmp_path)


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match="cannot be written"):
        DeepseekV3().checkpoint(tmp_path / "file")


def test_a_directory_is_its_own_checkpoint(tiny: Path, tmp_path: Path) -> None:
    assert Checkpoint(path=str(tiny)).checkpoint(tmp_path) == tiny
    assert not list(tmp_path.iterdir())


def test_a_missing_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such checkpoint directory"):
        Checkpoint(path=str(tmp_path / "nowhere")).checkpoint(tmp_path)


def test_without_a_network_a_name_on_the_hub_is_an_error_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"cannot be had from the Hugging Face hub.*; without a network, download it"):
        Checkpoint(path="guerdon-tests/not-there").checkpoint(tmp_path)


def test_an_adapter_begins_as_the_model_itself(tiny: Path, tmp_path: Path) -> None:
    adapted = load(Checkpoint(path=str(tiny), lora_rank=4).checkpoint(tmp_path), train=True)
    ids = torch.tensor([adapted.tokenizer.encode("1+1")])
    torch.testing.assert_close(adapted.module(ids).logits, load(tiny).module(ids).logits, rtol=1e-4, atol=1e-5)
    trained = [name for name, part in adapted.module.named_parameters() if part.requires_grad]
    assert trained
    assert all("lora_" in name for name in trained)


def test_an_adapter_is_the_same_every_time_and_made_once(tiny: Path, tmp_path: Path) -> None:
    policy = Checkpoint(path=str(tiny), lora_rank=4)
    one, other = policy.checkpoint(tmp_path / "one"), policy.checkpoint(tmp_path / "other")
    weights = "adapter_model.safetensors"
    assert (one / weights).read_bytes() == (other / weights).read_bytes()
    written = (one / weights).stat().st_mtime_ns
    policy.checkpoint(tmp_path / "one")
    assert (one / weights).stat().st_mtime_ns == written
    Checkpoint(path=str(tiny), lora_rank=2).checkpoint(tmp_path / "one")
    assert json.loads((one / "adapter_config.json").read_text())["r"] == 2


def test_only_the_layers_that_are_named_get_an_adapter(tiny: Path, tmp_path: Path) -> None:
    policy = Checkpoint(path=str(tiny), lora_rank=4, lora_target_modules=("o_proj",))
    model = load(policy.checkpoint(tmp_path), train=True)
    trained = [name for name, part in model.module.named_parameters() if part.requires_grad]
    assert len(trained) == 4
    assert all(".o_proj.lora_" in name for name in trained)


def test_an_adapter_for_layers_that_are_not_there_is_refused(tiny: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lora_target_modules"):
        Checkpoint(path=str(tiny), lora_rank=4, lora_target_modules=("wizard",)).checkpoint(tmp_path)


def test_a_trained_adapter_is_merged_into_what_is_saved_and_nowhere_else(tiny: Path, tmp_path: Path) -> None:
    model = load(Checkpoint(path=str(tiny), lora_rank=4).checkpoint(tmp_path), train=True)
    torch.manual_seed(0)
    for name, part in model.module.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(part, std=0.1)
    before = {name: part.clone() for name, part in model.module.state_dict().items()}
    ids = torch.tensor([model.tokenizer.encode("1+1=2 so 3")])
    expected = model.module(ids).logits
    save(model, tmp_path / "saved")
    assert all(torch.equal(before[name], part) for name, part in model.module.state_dict().items())
    again = load(tmp_path / "saved")
    assert not hasattr(again.module, "peft_config")
    torch.testing.assert_close(again.module(ids).logits, expected, rtol=1e-4, atol=1e-5)
    assert (expected - load(tiny).module(ids).logits).abs().max() > 0.01
