"""A tokenizer of bytes: one token a byte, so that every text comes back as it was."""

from typing import Any


def byte_tokenizer() -> Any:
    """One that writes `<think>` at the head of every completion, where it is given messages."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>", clean_up_tokenization_spaces=False
    )
    made.chat_template = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}<think>"
    return made
