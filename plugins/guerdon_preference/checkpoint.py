"""What a reward model's checkpoint says of it: read without torch, from a directory or from the Hugging Face hub."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon import DataError
from guerdon_preference.conversation import Conversation


@dataclass(frozen=True)
class Checkpoint:
    """`place`: as transformers takes it. `config`: transformers' own, with one label."""

    place: str
    config: Any
    conversation: Conversation


def described(model: str) -> Checkpoint:
    """The configuration and the tokenizer of a reward model. Raises DataError for what is none."""
    from transformers import AutoConfig, AutoTokenizer

    place = str(Path(model).expanduser()) if Path(model).expanduser().is_dir() else model
    try:
        config = AutoConfig.from_pretrained(place)
        tokenizer: Any = AutoTokenizer.from_pretrained(place)
    except Exception as error:  # the libraries and their network stack raise dozens of kinds
        raise unreadable(model, error) from error
    openrlhf = getattr(config, "value_head_prefix", None) is not None
    if openrlhf:
        config.num_labels = 1
    if config.num_labels != 1:
        what = f"has {config.num_labels} labels, and a reward model has one"
        raise DataError(model, what, "give a sequence classifier that was trained to score")
    text = config.get_text_config()
    room = getattr(text, "max_position_embeddings", None) or sys.maxsize
    longest = min(room, tokenizer.model_max_length)
    return Checkpoint(place, config, Conversation(tokenizer, text.vocab_size, text.pad_token_id, longest, openrlhf))


def unreadable(model: str, error: Exception) -> DataError:
    """What to raise for a checkpoint that a library cannot read."""
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    way_out = "give a directory, or a name on the hub, of a sequence classifier with its tokenizer"
    return DataError(model, f"cannot be read as a reward model: {said}", way_out)
