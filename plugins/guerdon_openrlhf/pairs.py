"""What OpenRLHF is given to compare: JSON lines with `chosen` and `rejected`, each a whole text with its prompt."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guerdon import DataError, Run, Task
from guerdon_openrlhf import prompts
from guerdon_openrlhf.places import Places

if TYPE_CHECKING:
    from guerdon_openrlhf.rm import OpenrlhfRm

PLACE = "the-answer-to-the-prompt"
"""What a chat template is given for an answer: some take the thinking out of one."""
SIDES = ("chosen", "rejected")


def divided(run: Run, held_out: float) -> tuple[list[Task], list[Task]]:
    """The tasks to learn from, and those that are held out, a share of the prompts, as `preference` chooses them.

    Raises DataError for one that is no pair, and where one of the two lists is empty.
    """
    learnt: list[Task] = []
    kept: list[Task] = []
    for task in prompts.tasks_of(run):
        if not all(isinstance(task.metadata.get(side), str) for side in SIDES):
            what = "its metadata has no text under `chosen` and `rejected`"
            raise DataError(f"{prompts.where_of(run)}: '{task.id}'", what, "use tasks that have both")
        share = int.from_bytes(hashlib.blake2b(repr(task.prompt).encode(), digest_size=8).digest()) / 2**64
        (kept if share < held_out else learnt).append(task)
    if not learnt or not kept:
        what = f"of {len(learnt) + len(kept)} pairs none is left to {'try on' if learnt else 'learn from'}"
        raise DataError(prompts.where_of(run), what, "change `held_out`, or give pairs of more prompts")
    return learnt, kept


def write(
    options: "OpenrlhfRm",
    run: Run,
    places: Places,
    model: Path,
    *,
    learnt: Sequence[Task],
    held_out: Sequence[Task],
    steps: int,
) -> None:
    """A line for each pair that is compared, as often as it is, and one for each that is held out. Raises DataError."""
    tokenizer = prompts.tokenizer_of(model)
    prompts.check_place(places.prompts)
    if tokenizer.eos_token is None:
        what = "its tokenizer has no end token, and OpenRLHF reads the score there"
        raise DataError(str(model), what, "name one: `eos_token` in its tokenizer_config.json")
    rows = [_row(tokenizer, task, options.max_length) for task in learnt]
    order = prompts.shuffled(len(rows), run.seed, run.stage)
    prompts.write_rows(places.prompts, (rows[next(order)] for _ in range(steps * options.batch_size)))
    prompts.write_rows(places.held_out, (_row(tokenizer, task, options.max_length) for task in held_out))


def _row(tokenizer: Any, task: Task, longest: int) -> dict[str, str]:
    row = {}
    for side in SIDES:
        text = _whole(tokenizer, task, str(task.metadata[side]).strip())
        length = len(tokenizer.encode(text, add_special_tokens=False))
        if length > longest:
            what = f"its prompt and `{side}` have {length} tokens, and max_length is {longest}"
            raise DataError(f"task '{task.id}'", what, "raise max_length, or leave the task out")
        row[side] = text
    return row


def _whole(tokenizer: Any, task: Task, answer: str) -> str:
    """Prompt and answer as `preference-model` reads them of a model of OpenRLHF's."""
    if not tokenizer.chat_template:
        return str(prompts.written(tokenizer, task).text + answer + tokenizer.eos_token)
    messages = [{"role": "user", "content": task.prompt}] if isinstance(task.prompt, str) else list(task.prompt)
    try:
        answered = [*messages, {"role": "assistant", "content": PLACE}]
        text = str(tokenizer.apply_chat_template(answered, tokenize=False))
    except Exception as error:  # a template is a program, and may raise anything
        said = str(error).strip() or type(error).__name__
        raise DataError(f"task '{task.id}'", f"the chat template does not take it: {said}", "change it") from error
    before, found, after = text.rpartition(PLACE)
    if not found:
        raise DataError(f"task '{task.id}'", "the chat template leaves the answer out", "use another tokenizer")
    # OpenRLHF would do that itself, after the length was counted.
    after = after.rstrip("\n")
    return before + answer + after + ("" if after.endswith(tokenizer.eos_token) else f" {tokenizer.eos_token}")
