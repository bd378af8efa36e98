"""Scores of whole texts, by a sequence classifier with one label."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from guerdon_local.learner import Learner


def scores(learner: "Learner", texts: Sequence[Sequence[int]]) -> Tensor:
    """[texts], float32: the logit of each text, given as token ids, in one pass with padding on the right.

    transformers reads it at the last token that is not the configuration's padding; without one, at the last token.
    """
    module = learner.model.module
    config = module.config.get_text_config()
    ends = {text[-1] for text in texts}
    pad = config.pad_token_id
    padding = pad if pad is not None else next(token for token in range(len(ends) + 1) if token not in ends)
    lengths = torch.tensor([len(text) for text in texts])
    tokens = (torch.arange(int(lengths.max())) < lengths[:, None]).to(learner.device)
    ids = torch.full(tokens.shape, padding)
    for row, text in enumerate(texts):
        ids[row, : len(text)] = torch.tensor(text)
    bf16 = learner.options.bf16
    config.pad_token_id = padding
    try:
        with learner.balancer.counting(tokens), torch.autocast(learner.device.type, torch.bfloat16, enabled=bf16):
            logits: Tensor = module(input_ids=ids.to(learner.device), attention_mask=tokens, use_cache=False).logits
    finally:
        config.pad_token_id = pad
    return logits[:, 0].float()
