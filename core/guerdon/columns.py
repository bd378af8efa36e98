"""From the columns of a row to tasks and rollouts."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, TypeAlias

from guerdon.errors import DataError, suggestion
from guerdon.jsonvalues import parse
from guerdon.types import Prompt, Rollout, Task

Columns: TypeAlias = Mapping[str, str | Sequence[str]]
"""Our name of a column to the file's, or to several of which the first that a row has is taken."""

TASK_COLUMNS = {
    "id": "names the task; without it, `group` does, or else a hash of prompt and ground truth",
    "prompt": "text, or a list of chat messages with `role` and `content`; required",
    "ground_truth": "what the rewards need to know, any JSON value",
    "domain": "routes the task to rewards",
    "language": "an ISO 639-1 code",
    "metadata": "an object, or its JSON text",
    "group": "names the rollouts that are compared with each other",
}
ROLLOUT_COLUMNS = {
    **TASK_COLUMNS,
    "completion": "what the model wrote, text; required",
    "truncated": "true or false (or 1, 0): the sampler stopped it at the length limit",
    "prompt_ids": "token ids of the prompt, a list of whole numbers, where the sampler knew them",
    "completion_ids": "token ids of the completion, a list of whole numbers, for rewards that count tokens",
    "logprobs": "of each token of the completion, natural logarithms, where the sampler knew them",
    "prefill": "what the template had already written at the head of the completion, such as <think>",
}
"""The columns that a row may have, and what they hold. Empty text in an optional one is the same as none."""

PRESETS: Mapping[str, Columns] = MappingProxyType(
    {
        "trl": {"ground_truth": ("ground_truth", "solution", "answer")},
        "verl": {
            "ground_truth": "reward_model.ground_truth",
            "domain": ("ability",),
            "metadata": ("extra_info",),
        },
        "openrlhf": {"prompt": "input", "ground_truth": ("label",)},
    }
)
"""The column conventions of other trainers, each usable as a `mapping`.

- `trl`: `prompt` as text or messages; every other column is handed to the reward functions by its name, which is
  `solution` in TRL's own (trl/rewards/accuracy_rewards.py); `ground_truth` and `answer` are common in data sets.
- `verl`: messages in `prompt`, then `reward_model.ground_truth`, `ability` and `extra_info`
  (examples/data_preprocess/gsm8k.py). Its `data_source` is taken for a domain only by `{"domain": "data_source"}`.
- `openrlhf`: `input` is the default of `--input_key` (openrlhf/datasets/prompts_dataset.py); `--label_key` has none,
  and `label`, its own name for what the column holds, is taken.
"""

COMMON_NAMES = {
    "prompt": ("question", "problem", "input", "query", "instruction", "messages"),
    "completion": ("response", "output", "generation", "completions", "responses", "text"),
}
"""What others call a required column; a suggestion is made of it, never a silent choice."""

NONE: Columns = MappingProxyType({})


def no_column(name: str, known: Mapping[str, str]) -> tuple[str, str]:
    """What is wrong with a name that is none of ours, and the way out."""
    return f"'{name}' is none of guerdon's columns", suggestion(name, known)


def task_of(row: Mapping[str, Any], where: str, mapping: Columns = NONE) -> Task:
    """The task that a row describes. `where` is the row's place, as in `tasks.jsonl:12`.

    `mapping` is our name of a column to the file's, where they differ: `{"prompt": "question"}`. A name with dots
    reaches into objects (`reward_model.ground_truth`), unless there is a column of that whole name.

    Without an `id` the task is named after its `group`, or else by a hash of prompt and ground truth, so that all
    rollouts of a task share its name in any file. Raises DataError.
    """
    return _Row(row, where, mapping).task()


def rollout_of(row: Mapping[str, Any], where: str, mapping: Columns = NONE) -> tuple[Rollout, str | None]:
    """The rollout that a row describes, and its `group` (None where the row names none). Otherwise as `task_of`."""
    columns = _Row(row, where, mapping)
    rollout = Rollout(
        columns.task(),
        columns.completion(),
        truncated=columns.truncated(),
        prefill=columns.text("prefill") or "",
        prompt_ids=columns.numbers("prompt_ids", "a list of whole numbers", (int,)),
        completion_ids=columns.numbers("completion_ids", "a list of whole numbers", (int,)),
        logprobs=columns.numbers("logprobs", "a list of numbers", (int, float)),
    )
    return rollout, columns.name("group")


class _Row:
    """One row under our names."""

    def __init__(self, row: Mapping[str, Any], where: str, mapping: Columns) -> None:
        self.row = row
        self.where = where
        self.mapping = mapping
        for name in mapping.keys() - ROLLOUT_COLUMNS.keys():
            raise DataError(where, *no_column(name, ROLLOUT_COLUMNS))

    def task(self) -> Task:
        prompt, ground_truth = self.prompt(), self.value("ground_truth")
        identity = self.name("id") or self.name("group") or _hash([prompt, ground_truth])
        return Task(
            identity, prompt, ground_truth, self.text("domain") or None, self.text("language") or None, self.metadata()
        )

    def value(self, name: str) -> Any:
        """A column's value; None where there is no such column, unless it is required or was asked for by name."""
        wanted = self.mapping.get(name, name)
        for column in (wanted,) if isinstance(wanted, str) else wanted:
            found, value = _reach(self.row, column)
            if found:
                return value
        if name in ("prompt", "completion") or (name in self.mapping and isinstance(wanted, str)):
            raise self.missing(name, wanted if isinstance(wanted, str) else wanted[0])
        return None

    def missing(self, name: str, column: str) -> DataError:
        inside, there = _innermost(self.row, column)
        close = get_close_matches(column, there, n=1) or [one for one in COMMON_NAMES.get(name, ()) if one in self.row]
        other = close[0] if close else "COLUMN"
        way_out = f'--map {name}={other}, or `columns = {{ {name} = "{other}" }}` in a run file'
        if other == name:
            way_out = f"leave the other name for `{name}` away"
        there_are = ", ".join(there[:20]) + (", …" if len(there) > 20 else "")
        return DataError(
            self.where,
            f"has no column '{column}' ({inside}: {there_are or 'none'})",
            f"did you mean '{other}'? Say {way_out}" if close else f"name the one that holds it: {way_out}",
        )

    def wrong(self, name: str, value: Any, expected: str) -> DataError:
        shown = repr(value)
        shown = shown if len(shown) <= 80 else shown[:79] + "…"
        column = self.mapping.get(name, name)
        place = f"{name} (column '{column}')" if isinstance(column, str) and column != name else name
        return DataError(self.where, f"{place} is {shown}", f"it must be {expected}")

    def prompt(self) -> Prompt:
        value = self.value("prompt")
        if isinstance(value, str):
            return value
        expected = "text, or a list of messages with `role` and `content`"
        if not isinstance(value, list) or not value:
            raise self.wrong("prompt", value, expected)
        for message in value:
            if not isinstance(message, Mapping) or not isinstance(message.get("role"), str) or "content" not in message:
                raise self.wrong("prompt", value, expected)
        # Parquet gives every message every key that any message has.
        return [{key: one for key, one in each.items() if one is not None or key == "content"} for each in value]

    def completion(self) -> str:
        value = self.value("completion")
        if not isinstance(value, str):
            raise self.wrong("completion", value, "text")
        return value

    def text(self, name: str) -> str | None:
        value = self.value(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong(name, value, "text")
        return value

    def name(self, name: str) -> str | None:
        value = self.value(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # a column of whole numbers with gaps comes as floats
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            raise self.wrong(name, value, "text or a whole number")
        return None if value in (None, "") else str(value)

    def numbers(self, name: str, expected: str, types: tuple[type, ...]) -> list[Any] | None:
        value = self.value(name)
        if isinstance(value, str) and value.strip():
            try:
                value = parse(value)
            except ValueError:
                raise self.wrong(name, value, expected) from None
        if value in (None, ""):
            return None
        if not isinstance(value, list) or not all(type(one) in types for one in value):
            raise self.wrong(name, value, expected)
        return value

    def truncated(self) -> bool:
        value = self.value("truncated")
        word = value.strip().lower() if isinstance(value, str) else value
        if word in (None, "", False, "false", "0"):
            return False
        if word in (True, "true", "1"):
            return True
        raise self.wrong("truncated", value, "true or false")

    def metadata(self) -> Mapping[str, Any]:
        value = self.value("metadata")
        if isinstance(value, str) and value.strip():
            try:
                value = parse(value)
            except ValueError as error:
                raise self.wrong("metadata", value, f"an object, or its JSON text ({error})") from None
        if value in (None, "") or (isinstance(value, str) and not value.strip()):
            return {}
        if not isinstance(value, Mapping):
            raise self.wrong("metadata", value, "an object, or its JSON text")
        return value


def _reach(row: Mapping[str, Any], column: str) -> tuple[bool, Any]:
    if column in row:
        return True, row[column]
    head, dot, rest = column.partition(".")
    if not dot or head not in row:
        return False, None
    inner = row[head]
    return _reach(inner, rest) if isinstance(inner, Mapping) else (inner is None, None)


def _innermost(row: Mapping[str, Any], column: str) -> tuple[str, list[str]]:
    """Where the name of a column stops being true, and the names that are there."""
    inner, path = row, ""
    for part in column.split("."):
        if not isinstance(inner.get(part), Mapping):
            break
        inner, path = inner[part], f"{path}{part}."
    return f"in {path[:-1]}" if path else "there", [f"{path}{name}" for name in inner]


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
