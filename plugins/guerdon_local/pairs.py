"""What is learnt of preferences: tasks as the token ids of whole texts, a prompt and an answer to it each."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from guerdon import DataError, Run, Task

Loss = Literal["pairwise", "pointwise"]
Prompt = str | Sequence[Mapping[str, Any]]
PLACE = "the-answer-to-the-prompt"
"""What a chat template is given for an answer."""


@dataclass(frozen=True)
class Example:
    """What is compared or marked: two texts, of which the first is preferred, or one that is safe or not."""

    texts: Sequence[Sequence[int]]
    lengths: Sequence[int]
    """Tokens of the answers alone."""
    safe: bool = True

    def __len__(self) -> int:
        return len(self.texts) * max(map(len, self.texts))


def examples(
    run: Run, tokenizer: Any, loss: Loss, held_out: float, longest: int
) -> tuple[list[Example], list[Example]]:
    """The examples to learn from, and those that are held out: a share of the prompts, chosen by their hashes.

    Examples of more than `longest` tokens are left out, which the journal says. Raises DataError for a task that has
    nothing to learn from, and where nothing is left.
    """
    learnt: list[Example] = []
    kept: list[Example] = []
    where, count = f"tasks of the stage '{run.stage}'", 0
    for task in run.tasks or ():
        count += 1
        example = _example(tokenizer, task, loss, where)
        if max(map(len, example.texts)) <= longest:
            (kept if _share(task) < held_out else learnt).append(example)
    if not learnt:
        what = f"none of {count} is left to learn from" if count else "there are none"
        raise DataError(where, what, "look at the options of the tasks, `max_length` and `held_out`")
    if left_out := count - len(learnt) - len(kept):
        run.journal.say(f"left out {left_out} of {count} examples: they have more than {longest} tokens")
    return learnt, kept


def text_ids(tokenizer: Any, prompt: Prompt, answer: str) -> list[int]:
    """A prompt and its answer as a reward model reads them, without white space around the answer.

    In the chat template, where there is one; else one after the other, between the tokens that begin and end a text.
    `preference-model` reads them in the same way. Raises DataError.
    """
    if tokenizer.chat_template:
        before, after = _template_around(tokenizer, prompt)
        return list(tokenizer.encode(before + answer.strip() + after, add_special_tokens=False))
    if not isinstance(prompt, str):
        raise DataError("prompt", "is a list of messages, and the tokenizer has no chat template", "give it as text")
    ids, end = list(tokenizer.encode(prompt + answer.strip())), tokenizer.eos_token_id
    return ids if end is None or (ids and ids[-1] in (end, tokenizer.sep_token_id)) else [*ids, end]


def _template_around(tokenizer: Any, prompt: Prompt) -> tuple[str, str]:
    """What a chat template writes around an answer. It is not shown the answer: some take the thinking out of it."""
    messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
    try:
        text = str(tokenizer.apply_chat_template([*messages, {"role": "assistant", "content": PLACE}], tokenize=False))
    except Exception as error:  # a template is a program, and may raise anything
        what = f"the chat template does not take these messages: {str(error).strip() or type(error).__name__}"
        raise DataError("prompt", what, "change them") from error
    before, found, after = text.rpartition(PLACE)
    if not found:
        raise DataError("prompt", "the chat template leaves the answer out", "use another tokenizer")
    return before, after


def _example(tokenizer: Any, task: Task, loss: Loss, where: str) -> Example:
    place = f"{where}: '{task.id}'"
    names = ("chosen", "rejected") if loss == "pairwise" else ("completion",)
    answers = [task.metadata.get(name) for name in names]
    if not all(isinstance(answer, str) for answer in answers):
        other = "pointwise" if loss == "pairwise" else "pairwise"
        what = f"its metadata has no text under {' and '.join(f'`{name}`' for name in names)}"
        raise DataError(place, what, f'use tasks that have it, or `loss = "{other}"`')
    safe = task.metadata.get("safe") if loss == "pointwise" else True
    if not isinstance(safe, bool):
        raise DataError(place, "its metadata does not say whether it is `safe`", "say true or false")
    try:
        texts = [text_ids(tokenizer, task.prompt, str(answer)) for answer in answers]
    except DataError as error:
        raise DataError(place, f"its {error.where} {error.what}", error.way_out) from error
    lengths = [len(tokenizer.encode(str(answer).strip(), add_special_tokens=False)) for answer in answers]
    return Example(texts, lengths, safe)


def _share(task: Task) -> float:
    """Where a task's prompt lies between 0 and 1: the same everywhere, so that no prompt is on both sides."""
    return int.from_bytes(hashlib.blake2b(repr(task.prompt).encode(), digest_size=8).digest()) / 2**64
