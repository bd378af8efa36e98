"""What all tasks that come as a table have in common: the names of the columns, and what no column says."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from guerdon import Task, Tasks
from guerdon.columns import PRESETS, TASK_COLUMNS, Columns, no_column, task_of

LESSONS = {"completion": str, "chosen": str, "rejected": str, "safe": bool}
"""Columns for trainers, and the type that makes them one."""


class TableTasks(Tasks):
    """Rows that become tasks. What a task's `metadata` has under the same names are the columns `completion`, for
    `sft`, and `chosen`, `rejected` and `safe` (true or false), for `preference`."""

    preset: Literal["trl", "verl", "openrlhf"] | None = None
    """The column names of another trainer.

    - `trl`: `prompt`, and the first there is of `ground_truth`, `solution` and `answer`.
    - `verl`: `prompt`, `reward_model.ground_truth`, `ability` as the domain, `extra_info` as metadata.
    - `openrlhf`: `input` as the prompt and `label` as the ground truth.
    """
    columns: dict[str, str] = Field(default={})
    """Columns that the file names otherwise, ours first: `{ prompt = "question", ground_truth = "reward.gold" }`.

    Ours are `id`, `prompt`, `ground_truth`, `domain`, `language`, `metadata` and `group`. Beside a preset, these win.
    """
    domain: str | None = None
    """The domain of all these tasks, whatever the rows say."""
    language: str | None = None
    """The language of all these tasks (ISO 639-1), whatever the rows say."""
    limit: Annotated[int, Field(gt=0)] | None = None
    """How many tasks to take, from the beginning; all of them if there is no limit."""

    @field_validator("columns")
    @classmethod
    def _ours(cls, columns: dict[str, str]) -> dict[str, str]:
        for name in columns:
            if name not in TASK_COLUMNS:
                raise PydanticCustomError("column", "{what}", {"what": "; ".join(no_column(name, TASK_COLUMNS))})
        return columns

    def tasks(self, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[Task]:
        """The tasks of rows, each of which comes with its place. Raises DataError at the first bad one."""
        mapping: Columns = {**(PRESETS[self.preset] if self.preset else {}), **self.columns}
        for where, row in islice(rows, self.limit):
            task = task_of(row, where, mapping)
            lessons = {name: row[name] for name, kind in LESSONS.items() if isinstance(row.get(name), kind)}
            task = replace(task, metadata={**lessons, **task.metadata})
            yield replace(task, domain=self.domain or task.domain, language=self.language or task.language)
