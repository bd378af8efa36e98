"""Prompts in tokens, the same ones that the sampler `local` gives a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon import DataError, Task

OPEN = "<think>"
"""What a chat template may have written at the head of the completion."""


@dataclass(frozen=True)
class ReadPrompt:
    """A task's prompt in tokens."""

    task: Task
    ids: list[int]
    prefill: str


def tokenizer_of(checkpoint: Path) -> Any:
    """The tokenizer of a checkpoint directory, as transformers loads it. Raises DataError."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(checkpoint), local_files_only=True)
    except Exception as error:  # the libraries raise dozens of kinds
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        what = f"its tokenizer cannot be read: {said}"
        raise DataError(str(checkpoint), what, "copy the tokenizer's files (`tokenizer.json`, …) into it") from error


def prompt_of(tokenizer: Any, task: Task) -> ReadPrompt:
    """A task's prompt as the model is given it. Raises DataError, with the task's name.

    Text is encoded as it is, after the token that begins a sequence where the tokenizer has one. Messages go through
    the chat template, up to where the answer begins.
    """
    try:
        text = _rendered(tokenizer, task.prompt)
        ids = _encoded(tokenizer, text, templated=not isinstance(task.prompt, str))
    except DataError as error:
        raise DataError(f"task '{task.id}'", f"its prompt {error.what}", error.way_out) from error
    templated = not isinstance(task.prompt, str) and text.rstrip().endswith(OPEN)
    return ReadPrompt(task, ids, text[text.rindex(OPEN) :] if templated else "")


def _encoded(tokenizer: Any, text: str, templated: bool) -> list[int]:
    if (piece := _unknown(tokenizer, text)) is not None:
        what = f"holds {piece[:20]!r}, for which the tokenizer has no token"
        raise DataError("prompt", what, "change the prompt, or leave the task out")
    if templated:
        ids = tokenizer.encode(text, add_special_tokens=False)  # the template has written them
    else:
        ids = tokenizer.encode(text)
        if ids and ids[-1] == tokenizer.eos_token_id and not text.endswith(tokenizer.eos_token):
            ids = ids[:-1]  # the prompt is not the end of the text
    if not ids:
        raise DataError("prompt", "is empty, and the tokenizer begins no text by itself", "give the task a prompt")
    return list(ids)


def _rendered(tokenizer: Any, prompt: str | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(prompt, str):
        return prompt
    if not tokenizer.chat_template:
        raise DataError("prompt", "is a list of messages, and the tokenizer has no chat template", "give it as text")
    try:
        return str(tokenizer.apply_chat_template(list(prompt), tokenize=False, add_generation_prompt=True))
    except Exception as error:  # a template is a program, and may raise anything
        said = str(error).strip() or type(error).__name__
        raise DataError("prompt", f"the chat template does not take these messages: {said}", "change them") from error


def _unknown(tokenizer: Any, text: str) -> str | None:
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
