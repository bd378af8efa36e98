"""Checkpoint directories in memory: complete ones only."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForSequenceClassification, T5Config

from guerdon import DataError
from guerdon_local.checkpoint import Checkpoint
from guerdon_local.deepseek_v3 import DeepseekV3
from guerdon_local.models import load, save


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return DeepseekV3().checkpoint(tmp_path_factory.mktemp("made"))


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def test_a_model_that_is_saved_and_loaded_is_the_same_to_the_bit(made: Path, tmp_path: Path) -> None:
    model = load(made)
    model.module.model.layers[1].mlp.gate.e_score_correction_bias += 0.125
    save(model, tmp_path / "saved")
    again = load(tmp_path / "saved")
    weights, others = model.module.state_dict(), again.module.state_dict()
    assert weights.keys() == others.keys()
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert again.tokenizer.encode("<think>1+1") == model.tokenizer.encode("<think>1+1")


def test_the_configuration_is_saved_as_it_was(made: Path, tmp_path: Path) -> None:
    save(load(made), tmp_path / "saved")
    assert (tmp_path / "saved" / "config.json").read_bytes() == (made / "config.json").read_bytes()


def test_a_model_is_in_float32_and_in_the_mode_that_was_asked_for(made: Path) -> None:
    assert not load(made).module.training
    trained = load(made, train=True).module
    assert trained.training
    assert {part.dtype for part in trained.parameters()} == {torch.float32}
    assert all(part.requires_grad for part in trained.parameters())


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("config.json", "there is no `config.json`"),
        ("model.safetensors", "there are no weights"),
        ("tokenizer.json", "there is no tokenizer"),
    ],
)
def test_a_missing_file_is_named(copy: Path, missing: str, said: str) -> None:
    (copy / missing).unlink()
    with pytest.raises(DataError, match=said):
        load(copy)


def test_a_directory_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such checkpoint directory"):
        load(tmp_path / "nowhere")


@pytest.mark.parametrize("keep", [0, 7, 5_000, 100_000])
def test_weights_that_were_cut_off_are_damaged(copy: Path, keep: int) -> None:
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(DataError, match="its weights cannot be read"):
        load(copy)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json"])
def test_a_damaged_file_is_said(copy: Path, file: str) -> None:
    (copy / file).write_text('{"model_type": ')
    with pytest.raises(DataError, match=f"its {'`config.json`' if file == 'config.json' else 'tokenizer'} cannot be"):
        load(copy)


def test_weights_that_are_missing_are_not_made_up(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(DataError, match=r"1 of its weights are missing, such as `model.norm.weight`"):
        load(copy)


def test_weights_of_another_shape_are_refused(copy: Path) -> None:
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "intermediate_size": 96}))
    with pytest.raises(DataError, match="its weights cannot be read"):
        load(copy)


def test_what_is_no_causal_language_model_is_refused(copy: Path) -> None:
    T5Config(num_layers=1, d_model=8).save_pretrained(copy)
    with pytest.raises(DataError, match="a t5 is no causal language model"):
        load(copy)
    shape = {"num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 1, "intermediate_size": 8}
    BertForSequenceClassification(BertConfig(vocab_size=20, **shape)).save_pretrained(copy)
    with pytest.raises(DataError, match="weights are missing"):
        load(copy)


@pytest.mark.parametrize("keep", [0, 1000])
def test_an_adapter_that_was_cut_off_is_damaged(made: Path, tmp_path: Path, keep: int) -> None:
    adapter = Checkpoint(path=str(made), lora_rank=2).checkpoint(tmp_path)
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(DataError, match="its adapter cannot be read"):
        load(adapter)


def test_an_adapter_without_its_base_is_said(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "/gone"}')
    with pytest.raises(DataError, match="its base model '/gone' is not there"):
        load(tmp_path)
    (tmp_path / "adapter_config.json").write_text("[]")
    with pytest.raises(DataError, match=r"adapter_config.json` cannot be read"):
        load(tmp_path)
