"""A sequence classifier with one label, and the logits that it gives to many texts at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from guerdon import DataError
from guerdon_preference.checkpoint import described, unreadable
from guerdon_preference.conversation import Conversation

ON_A_CPU, ON_A_GPU = 2048, 16_384
"""Tokens of one forward pass, unless somebody says."""
ONE_THREAD = 8 << 20
"""Bytes. A smaller model is computed by one thread: those that share so little work wait for each other."""


@dataclass(frozen=True)
class Classifier:
    """A reward model in memory."""

    module: Any
    conversation: Conversation

    def logits(self, texts: Sequence[Sequence[int]], budget: int | None) -> list[float]:
        """The logit of each text, in order, in micro-batches of at most `budget` tokens with their padding.

        The longest come first; one that is longer than the budget is alone. A logit is read at the last token.
        """
        budget = budget or (ON_A_CPU if self.module.device.type == "cpu" else ON_A_GPU)
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
        # transformers reads at the last token that is not the configuration's padding, which may end a text too.
        padding = next(token for token in (pad, *range(len(ends) + 1)) if token is not None and token not in ends)
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
    from transformers import AutoModelForSequenceClassification

    found = described(model)
    kind: Any = AutoModelForSequenceClassification
    dtype = torch.bfloat16 if bf16 else torch.float32
    try:
        module, facts = kind.from_pretrained(found.place, config=found.config, dtype=dtype, output_loading_info=True)
    except Exception as error:  # as many kinds as for the configuration
        raise unreadable(model, error) from error
    if missing := sorted(facts["missing_keys"]):
        # transformers would go on with random numbers
        head = getattr(found.config, "value_head_prefix", None)
        only = f"; OpenRLHF calls its head `{head}`, and only `score` can be read" if head else ""
        what = f"{len(missing)} of its weights are missing, such as `{missing[0]}`{only}"
        raise DataError(model, what, "give a checkpoint of a sequence classifier")
    cuda = torch.cuda.is_available()
    module.to(("cuda" if cuda else "cpu") if device == "auto" else device).eval()
    size = sum(part.numel() * part.element_size() for part in module.parameters())
    if module.device.type == "cpu" and size < ONE_THREAD:
        torch.set_num_threads(1)
    return Classifier(module, found.conversation)
