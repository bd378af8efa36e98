"""A small random reward model, and what plain transformers makes of it."""

from pathlib import Path
from typing import Any

import torch

from guerdon import Task
from guerdon_local.tokenizer import EOS, PRINTABLE
from guerdon_local.tokenizer import build as tokenizer_of

TASK = Task("t", "what is 6*7?")
TEMPLATE = "{% for m in messages %}[{{ m.role }}]{{ m.content }}" + EOS + "{% endfor %}"


def made(directory: Path, template: str | None = None, **options: Any) -> Path:
    """A random reward model that reads printable characters."""
    from transformers import Qwen2Config, Qwen2ForSequenceClassification

    tokenizer = tokenizer_of(PRINTABLE)
    tokenizer.chat_template = template
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    usual = {**shape, "num_key_value_heads": 1, "max_position_embeddings": 200, "num_labels": 1, "pad_token_id": 0}
    config = Qwen2Config(vocab_size=len(tokenizer), **{**usual, **options})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Qwen2ForSequenceClassification(config)
        torch.nn.init.normal_(module.score.weight)
    module.save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def plainly(model: Path, text: str) -> float:
    """What plain transformers says of one text."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    ids = AutoTokenizer.from_pretrained(model)(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        return float(AutoModelForSequenceClassification.from_pretrained(model)(ids).logits[0, 0])
