"""The template of DeepSeek-R1-Zero."""

import dataclasses
from collections.abc import Iterator
from typing import ClassVar

from guerdon import Task, Tasks

BEFORE = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. The assistant "
    "first thinks about the reasoning process in the mind and then provides the user with the answer. The reasoning "
    "process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, i.e., <think> "
    "reasoning process here </think> <answer> answer here </answer>. User: "
)
AFTER = ". Assistant:"
"""What stands before and after the question: DeepSeek-R1 (arXiv 2501.12948v1), Table 1, to the letter."""


class R1ZeroTemplate(Tasks):
    """Other tasks, their prompts in the template of DeepSeek-R1-Zero (arXiv 2501.12948v1, Table 1).

    It tells a base model to think in `<think>` tags and to answer in `<answer>` tags, and nothing about how to think:
    what it says is checked by the reward `think-tags`. Ask it plain questions: chat messages are for chat models, which
    have templates of their own, and are passed on as they are.
    """

    name: ClassVar[str] = "r1-zero-template"

    tasks: Tasks
    """The tasks that ask the questions."""

    def __iter__(self) -> Iterator[Task]:  # type: ignore[override]  # as in Tasks
        """The tasks, in their order."""
        for task in self.tasks:
            text = isinstance(task.prompt, str)
            yield dataclasses.replace(task, prompt=f"{BEFORE}{task.prompt}{AFTER}") if text else task
