"""What OpenRLHF is given to ask or to show: JSON lines, each prompt written out as the policy reads it."""

import dataclasses
import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guerdon import DataError, Run, Task

if TYPE_CHECKING:
    from guerdon_openrlhf.grpo import OpenrlhfGrpo
    from guerdon_openrlhf.sft import OpenrlhfSft

OPEN = "<think>"
SEVERAL = (",", "@")
"""Characters by which OpenRLHF takes a path for several, or for a directory in a repository."""


@dataclasses.dataclass(frozen=True)
class Written:
    """A prompt in words, special tokens too; encoded without adding any, it is the tokens that `local` would ask."""

    text: str
    length: int
    """In tokens."""
    prefill: str


def tokenizer_of(model: Path) -> Any:
    """The tokenizer of a checkpoint directory. Raises DataError."""
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(str(model), local_files_only=True)
    except Exception as error:  # the libraries raise dozens of kinds
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(str(model), f"its tokenizer cannot be read: {said}", "look at the checkpoint") from error


def written(tokenizer: Any, task: Task) -> Written:
    """A task's prompt in words. Raises DataError for one that the tokenizer cannot write."""
    where = f"task '{task.id}'"
    if isinstance(task.prompt, str):
        ids = list(tokenizer.encode(task.prompt))
        if ids and ids[-1] == tokenizer.eos_token_id and not task.prompt.endswith(tokenizer.eos_token):
            ids = ids[:-1]  # the prompt is not the end of the text
        plain = tokenizer.encode(task.prompt, add_special_tokens=False)
        head = ids[: len(ids) - len(plain)]
        text, prefill = "".join(tokenizer.convert_ids_to_tokens(head)) + task.prompt, ""
    else:
        if not tokenizer.chat_template:
            what = "its prompt is a list of messages, and the tokenizer has no chat template"
            raise DataError(where, what, "give it as text")
        try:
            text = str(tokenizer.apply_chat_template(list(task.prompt), tokenize=False, add_generation_prompt=True))
        except Exception as error:  # a template is a program, and may raise anything
            said = str(error).strip() or type(error).__name__
            raise DataError(where, f"the chat template does not take its messages: {said}", "change them") from error
        ids = list(tokenizer.encode(text, add_special_tokens=False))
        prefill = text[text.rindex(OPEN) :] if text.rstrip().endswith(OPEN) else ""
    if not ids:
        raise DataError(where, "its prompt is empty", "give it one")
    if list(tokenizer.encode(text, add_special_tokens=False)) != ids:
        what = "the tokens that begin its prompt cannot be written as text, which is what OpenRLHF takes"
        raise DataError(where, what, "give its prompt as messages, with a chat template")
    return Written(text, len(ids), prefill)


def write_questions(options: "OpenrlhfGrpo", run: Run, path: Path, model: Path) -> None:
    """A line for each question that is asked, as often as it is: `prompt`, and the whole task as the `label`.

    Raises DataError for tasks that cannot be trained on.
    """
    tasks, tokenizer = tasks_of(run), tokenizer_of(model)
    check_place(path)
    if not any(run.mixture.covers(task.domain) for task in tasks):
        domains = ", ".join(sorted({str(task.domain) for task in tasks}))
        what = f"no reward with a weight applies to any of them (domains: {domains})"
        raise DataError(where_of(run), what, "give a reward the tasks' `domains`, or none for every task")
    rows = []
    for task in tasks:
        prompt = written(tokenizer, task)
        if prompt.length > options.max_prompt_length:
            what = f"its prompt has {prompt.length} tokens, and max_prompt_length is {options.max_prompt_length}"
            raise DataError(f"task '{task.id}'", what, "raise max_prompt_length, or leave the task out")
        rows.append((prompt, task))
    order = shuffled(len(rows), run.seed, run.stage)
    write_rows(
        path, (_question(number, *rows[next(order)]) for number in range(options.generations * options.questions))
    )


def write_demonstrations(options: "OpenrlhfSft", run: Run, path: Path, model: Path, steps: int) -> None:
    """A line for each demonstration that is shown, as often as it is: `prompt`, and `completion` with its end token."""
    tokenizer = tokenizer_of(model)
    check_place(path)
    if tokenizer.eos_token is None:
        what = "its tokenizer has no end token, so that a model could not learn where to end"
        raise DataError(str(model), what, "name one: `eos_token` in its tokenizer_config.json")
    rows = []
    for task in demonstrations(run):
        prompt = written(tokenizer, task)
        # OpenRLHF leaves such rows out, and says so to nobody.
        if prompt.length >= options.max_length - 2:
            what = f"its prompt has {prompt.length} tokens, and max_length is {options.max_length}"
            raise DataError(f"task '{task.id}'", what, "raise max_length, or leave the task out")
        rows.append({"prompt": prompt.text, "completion": task.metadata["completion"] + tokenizer.eos_token})
    order = shuffled(len(rows), run.seed, run.stage)
    write_rows(path, (rows[next(order)] for _ in range(steps * options.batch_size)))


def demonstrations(run: Run) -> list[Task]:
    """The tasks, each of which has a demonstration. Raises DataError."""
    tasks = tasks_of(run)
    for task in tasks:
        if not isinstance(task.metadata.get("completion"), str) or not task.metadata["completion"]:
            what = "has no demonstration: its metadata has no text under `completion`"
            raise DataError(f"{where_of(run)}: '{task.id}'", what, "use tasks that have one")
    return tasks


def shuffled(count: int, seed: int, stage: str) -> Iterator[int]:
    """The numbers below `count` in random order, in another one every epoch, without end."""
    epoch = 0
    while True:
        order = list(range(count))
        digest = hashlib.blake2b(repr((seed, stage, epoch)).encode(), digest_size=8).digest()
        random.Random(int.from_bytes(digest)).shuffle(order)
        yield from order
        epoch += 1


def _question(number: int, prompt: Written, task: Task) -> dict[str, str]:
    label = {"question": number, "prefill": prompt.prefill, "task": dataclasses.asdict(task)}
    return {"prompt": prompt.text, "label": json.dumps(label)}


def tasks_of(run: Run) -> list[Task]:
    """All tasks of the run. Raises DataError for none."""
    tasks = list(run.tasks or ())
    if not tasks:
        raise DataError(where_of(run), "there are none", "look at the options of the tasks")
    return tasks


def where_of(run: Run) -> str:
    """What an error says of where tasks are."""
    return f"tasks of the stage '{run.stage}'"


def check_place(path: Path) -> None:
    """Raise DataError for a path that OpenRLHF does not take."""
    for character in SEVERAL:
        if character in str(path):
            what = f"has a '{character}' in its path, which OpenRLHF does not take for a file"
            raise DataError(str(path), what, "name another: --set directory=…")


def write_rows(path: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """A JSON object a line."""
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row) + "\n")
