"""The trainers on other models than the tiny policy: dense and sparse, old and new, whole and with an adapter."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from practice import DIGITS, go, run_file, untimed
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
    Qwen3MoeConfig,
)

from guerdon import DataError
from guerdon.checkpoints import Checkpoints
from guerdon_local.deepseek_v3 import DeepseekV3
from guerdon_local.models import load

SHAPE: dict[str, Any] = {
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "max_position_embeddings": 64,
}
ARCHITECTURES: dict[str, Callable[[], PretrainedConfig]] = {
    "gpt2, with dropout and positions that are learnt": lambda: GPT2Config(
        vocab_size=32, n_embd=16, n_layer=2, n_head=2, n_positions=64
    ),
    "llama, with dropout": lambda: LlamaConfig(**SHAPE, attention_dropout=0.2),
    "qwen2, tied": lambda: Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "qwen3": lambda: Qwen3Config(**SHAPE, head_dim=8),
    "mistral, whose window slides": lambda: MistralConfig(**SHAPE, sliding_window=5),
    "gemma3, whose layers differ": lambda: Gemma3TextConfig(
        **SHAPE, head_dim=8, sliding_window=5, layer_types=["sliding_attention", "full_attention"]
    ),
    "mixtral": lambda: MixtralConfig(**SHAPE, num_local_experts=4),
    "qwen3-moe": lambda: Qwen3MoeConfig(**SHAPE, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16),
}
TWO_STAGES = """
[[stages]]
name = "cold"
trainer = { use = "sft", steps = 2, batch_size = 4, learning_rate = 1e-2 }
[[stages]]
name = "rl"
from = "cold"
[stages.trainer]
use = "grpo"
steps = 4
batch_size = 4
group_size = 4
max_completion_length = 6
learning_rate = 1e-3
beta = 0.1
save_steps = 0
"""


def made(architecture: str, directory: Path) -> Path:
    """A random model of another architecture, with the practice's tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(DeepseekV3(vocabulary=DIGITS).checkpoint(directory))
    config = ARCHITECTURES[architecture]()
    config.bos_token_id, config.eos_token_id = tokenizer.bos_token_id, tokenizer.eos_token_id
    torch.manual_seed(0)
    module: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    module.save_pretrained(directory / "model")
    tokenizer.save_pretrained(directory / "model")
    return directory / "model"


def on(checkpoint: Path, file: Path, lora_rank: int = 0) -> Path:
    """The run file, with this checkpoint as its policy and two stages."""
    text = file.read_text()
    begin, end, stages = text.index("[policy]"), text.index("[sampler]"), text.index("[trainer]")
    policy = f'[policy]\nuse = "checkpoint"\npath = "{checkpoint}"\nlora_rank = {lora_rank}\n'
    file.write_text(text[:begin] + policy + text[end:stages] + TWO_STAGES)
    return file


@pytest.mark.parametrize(
    ("architecture", "lora_rank"),
    [
        pytest.param(name, rank, marks=[pytest.mark.slow] if (number + rank) % 4 else [])
        for number, name in enumerate(ARCHITECTURES)
        for rank in (0, 2)
    ],
)
def test_any_causal_language_model_is_trained(architecture: str, lora_rank: int, tmp_path: Path) -> None:
    file = run_file(tmp_path, {}, tasks={"ragged": True}, sevens={"use": "sevens"})
    metrics = go(on(made(architecture, tmp_path), file, lora_rank))
    first, *others = (line for line in metrics if line["stage"] == "rl")
    assert first["sampling/logp_difference"] < 1e-5
    assert first["kl"] == pytest.approx(0, abs=1e-6)
    assert first["reward_std"] > 0
    assert first["grad_norm"] > 0
    assert others[-1]["kl"] > 0
    trained = Checkpoints(tmp_path / "run" / "checkpoints").found()[-1].path
    assert load(trained).module.config.architectures == load(tmp_path / "model").module.config.architectures


@pytest.mark.parametrize("lora_rank", [0, 2], ids=["whole", "adapter"])
def test_a_later_stage_goes_on_beside_its_own_base(lora_rank: int, tmp_path: Path) -> None:
    model = made("qwen3", tmp_path)
    metrics = untimed(go(on(model, run_file(tmp_path / "whole", {}), lora_rank)))
    file = on(model, run_file(tmp_path / "halves", {}), lora_rank)
    go(file, stop_after=4)
    assert untimed(go(file, resume=True)) == metrics
    ends = [Checkpoints(tmp_path / name / "run" / "checkpoints").found()[-1].path for name in ("whole", "halves")]
    assert len({(end / "model.safetensors").read_bytes() for end in ends}) == 1


def test_an_adapter_is_not_put_onto_another_base_than_its_own(tmp_path: Path) -> None:
    file = on(made("qwen3", tmp_path), run_file(tmp_path, {}), 2)
    go(file, stop_after=4)
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "step-00002")
    with pytest.raises(DataError, match="adapter belongs to it"):
        go(file, resume=True)


def test_a_run_that_was_moved_goes_on_with_its_adapter(tmp_path: Path) -> None:
    model = made("qwen3", tmp_path)
    metrics = untimed(go(on(model, run_file(tmp_path / "whole", {}), 2)))
    go(on(model, run_file(tmp_path / "here", {}), 2), stop_after=4)
    (tmp_path / "there").mkdir()
    (tmp_path / "here" / "run").rename(tmp_path / "there" / "run")
    assert untimed(go(on(model, run_file(tmp_path / "there", {}), 2), resume=True)) == metrics


def test_a_demonstration_longer_than_the_model_is_cut_off(tmp_path: Path) -> None:
    model = made("gpt2, with dropout and positions that are learnt", tmp_path)
    file = on(model, run_file(tmp_path, {}, tasks={"length": 200}, sevens={"use": "sevens"}))
    assert go(file, stop_after=1)[0]["tokens"] == 4 * (64 - 5)


def test_a_tokenizer_without_an_end_is_told_before_it_is_taught_one(tmp_path: Path) -> None:
    model = made("qwen3", tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.eos_token = None
    tokenizer.save_pretrained(model)
    with pytest.raises(DataError, match="no end token"):
        go(on(model, run_file(tmp_path, {})))
