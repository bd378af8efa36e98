"""A tokenizer made of given pieces: what a policy that starts from nothing can read and write."""

import re
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, BOS, EOS, UNKNOWN = "<｜pad｜>", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜unknown｜>"
"""Named as in DeepSeek-V3's tokenizer: no text has them by chance. Decoding leaves out all but the last."""
TAGS = ("<think>", "</think>", "<answer>", "</answer>")
"""The tags of R1's output format: one token each, and text like any other."""
PRINTABLE = (*string.digits, *string.ascii_letters, *string.punctuation, " ", "\n")
"""The printable characters of ASCII, and newline."""


def build(vocabulary: Sequence[str]) -> "PreTrainedTokenizerFast":
    """A tokenizer of the tags and the pieces of `vocabulary`, longest first; text outside of them becomes UNKNOWN.

    A text is encoded with BOS before it, unless `add_special_tokens` is False. Nothing else is added or normalised, so
    that decoding gives the text back.
    """
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    pieces = [*TAGS, *vocabulary]
    ids = {piece: number for number, piece in enumerate([PAD, BOS, EOS, UNKNOWN, *pieces])}
    longest_first = sorted(pieces, key=len, reverse=True)
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("|".join(map(re.escape, longest_first))), "isolated")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, ids[BOS])])
    # UNKNOWN is not declared to transformers: it would count as special, and a completion would lose it silently
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def unknown_text(tokenizer: Any, text: str) -> str | None:
    """The first piece of `text` that the tokenizer has no token for; None where it can read all of it."""
    unknown = tokenizer.unk_token_id
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if unknown is None and backend is not None:
        name = getattr(backend.model, "unk_token", None)
        unknown = backend.token_to_id(name) if name else None
    # GPT-2's unknown token is its end of text, and no bytes are unknown to it
    if unknown is None or unknown in (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id):
        return None
    ids = tokenizer.encode(text, add_special_tokens=False)
    if unknown not in ids:
        return None
    if backend is None:
        return text
    start, end = backend.encode(text, add_special_tokens=False).offsets[ids.index(unknown)]
    return text[start:end]
