import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from guerdon import Reward, Rollout, RunFileError, Task, Tasks
from guerdon.judging import judge
from guerdon.options import build

# DeepSeek-R1 (arXiv 2501.12948v1), Table 1.
WRITTEN = (
    "A conversation between User and Assistant. The user asks a question, and the Assistant solves it. "
    "The assistant first thinks about the reasoning process in the mind and then provides the user with the answer. "
    "The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively, "
    "i.e., <think> reasoning process here </think> <answer> answer here </answer>. User: prompt. Assistant:"
)


def tasks(options: dict[str, Any]) -> list[Task]:
    return list(build(Tasks, {"use": "r1-zero-template", **options}, "tasks"))


def test_a_question_stands_in_the_template_to_the_letter() -> None:
    [task] = tasks({"tasks": {"use": "sums", "size": 1}})
    [bare] = build(Tasks, {"use": "sums", "size": 1}, "tasks")
    before, after = WRITTEN.split("prompt")
    assert task.prompt == before + bare.prompt + after


def test_only_the_prompt_is_changed() -> None:
    [task] = tasks({"tasks": {"use": "sums", "size": 1}})
    [bare] = build(Tasks, {"use": "sums", "size": 1}, "tasks")
    assert (task.id, task.ground_truth, task.domain, task.language, task.metadata) == (
        bare.id,
        bare.ground_truth,
        bare.domain,
        bare.language,
        bare.metadata,
    )


def format_of(task: Task, completion: str) -> float | None:
    [score] = asyncio.run(judge(build(Reward, "think-tags", "rewards.format"), [Rollout(task, completion)]))
    return score.value


def test_the_tags_that_it_names_are_still_for_the_model_to_write() -> None:
    [task] = tasks({"tasks": {"use": "sums", "size": 1}})
    assert format_of(task, task.metadata["completion"]) == 1
    assert format_of(task, f"\\boxed{{{task.ground_truth}}}") == 0
    assert Rollout(task, "15").answer == "15"


def test_chat_messages_are_passed_on_as_they_are(tmp_path: Path) -> None:
    path, chat = tmp_path / "chat.jsonl", [{"role": "user", "content": "3+5=?"}]
    path.write_text(json.dumps({"prompt": chat, "ground_truth": "8"}))
    [task] = tasks({"tasks": {"use": "file", "path": str(path)}})
    assert task.prompt == chat


def test_a_mistake_in_the_tasks_inside_is_named_with_its_path() -> None:
    with pytest.raises(RunFileError, match=r"tasks\.tasks\.sise: no such option; did you mean 'size'"):
        tasks({"tasks": {"use": "sums", "sise": 1}})
