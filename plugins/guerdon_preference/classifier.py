"""A sequence classifier with one label, and the logits that it gives to many texts at once."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from guerdon import DataError
from guerdon_preference.conversation import Conversation


@dataclass(frozen=True)
class Classifier:
    """A reward model in memory."""

    module: Any
    conversation: Conversation
    longest: int
    """How many tokens it can read."""

    def logits(self, texts: Sequence[Sequence[int]], budget: int) -> list[float]:
        """The logit of each text, in order, in micro-batches of at most `budget` tokens with their padding.

        The longest come first; one that is longer than the budget is alone. transformers reads a logit at the last
        token that is not the configuration's padding; without one, at the last token.
        """
        found = [0.0] * len(texts)
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        while order:
            size = max(budget // len(texts[order[0]]), 1)
            some, order = order[:size], order[size:]
            for number, logit in zip(some, self._pass([texts[i] for i in some]), strict=True):
                found[number] = logit
        return found

    def _pass(self, texts: Sequence[Sequence[int]]) -> list[float]:
        config, device = self.module.config.get_text_config(), next(self.module.parameters()).device
        ends = {text[-1] for text in texts}
        pad = config.pad_token_id
        padding = pad if pad is not None else next(token for token in range(len(ends) + 1) if token not in ends)
        lengths = torch.tensor([len(text) for text in texts])
        tokens = (torch.arange(int(lengths.max())) < lengths[:, None]).long()
        ids = torch.full(tokens.shape, padding)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = torch.tensor(text)
        config.pad_token_id = padding
        try:
            with torch.inference_mode():
                logits = self.module(input_ids=ids.to(device), attention_mask=tokens.to(device)).logits
        finally:
            config.pad_token_id = pad
        return [float(logit) for logit in logits[:, 0].float().tolist()]


def load(model: str, *, bf16: bool, device: str) -> Classifier:
    """A reward model from a directory or from the Hugging Face hub. Raises DataError for what is none."""
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    place = str(Path(model).expanduser()) if Path(model).expanduser().is_dir() else model
    kind: Any = AutoModelForSequenceClassification
    try:
        config = AutoConfig.from_pretrained(place)
        tokenizer: Any = AutoTokenizer.from_pretrained(place)
        openrlhf = getattr(config, "value_head_prefix", None)
        if openrlhf is not None:
            config.num_labels = 1
        if config.num_labels != 1:
            what = f"has {config.num_labels} labels, and a reward model has one"
            raise DataError(model, what, "give a sequence classifier that was trained to score")
        dtype = torch.bfloat16 if bf16 else torch.float32
        module, facts = kind.from_pretrained(place, config=config, dtype=dtype, output_loading_info=True)
    except DataError:
        raise
    except Exception as error:  # the libraries and their network stack raise dozens of kinds
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        way_out = "give a directory, or a name on the hub, of a sequence classifier with its tokenizer"
        raise DataError(model, f"cannot be read as a reward model: {said}", way_out) from error
    if missing := sorted(facts["missing_keys"]):
        # transformers would go on with random numbers
        head = f"; OpenRLHF calls its head `{openrlhf}`, and only `score` can be read" if openrlhf else ""
        what = f"{len(missing)} of its weights are missing, such as `{missing[0]}`{head}"
        raise DataError(model, what, "give a checkpoint of a sequence classifier")
    room = getattr(config.get_text_config(), "max_position_embeddings", None) or sys.maxsize
    cuda = torch.cuda.is_available()
    module.to(("cuda" if cuda else "cpu") if device == "auto" else device).eval()
    conversation = Conversation(tokenizer, config.get_text_config().vocab_size, openrlhf is not None)
    return Classifier(module, conversation, min(room, tokenizer.model_max_length))
