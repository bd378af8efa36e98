import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from guerdon import DataError, RunFileError, Tasks
from guerdon.options import build
from guerdon_tasks import FileTasks


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "questions.jsonl"
    rows = [{"id": n, "question": f"{n}+1?", "answer": str(n + 1)} for n in range(5)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def tasks(options: dict[str, Any]) -> Tasks:
    return build(Tasks, {"use": "file", **options}, "tasks")


COLUMNS = {"prompt": "question", "ground_truth": "answer"}


def test_a_run_file_names_a_file_and_its_columns(questions: Path) -> None:
    read = list(tasks({"path": str(questions), "columns": COLUMNS}))
    assert [task.prompt for task in read] == ["0+1?", "1+1?", "2+1?", "3+1?", "4+1?"]
    assert (read[3].id, read[3].ground_truth, read[3].domain) == ("3", "4", None)


def test_the_same_tasks_come_every_time(questions: Path) -> None:
    source = tasks({"path": str(questions), "columns": COLUMNS})
    assert list(source) == list(source)


def test_several_files_follow_each_other_and_a_limit_counts_over_all(questions: Path, tmp_path: Path) -> None:
    more = tmp_path / "more.csv"
    more.write_text("id,question,answer\nx,one?,1\ny,two?,2\n")
    read = list(tasks({"path": [str(questions), str(more)], "columns": COLUMNS, "limit": 6}))
    assert [task.id for task in read] == ["0", "1", "2", "3", "4", "x"]


def test_domain_and_language_are_given_to_every_task(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"prompt": "q", "domain": "MATH"}\n{"prompt": "r"}\n')
    read = list(tasks({"path": str(path), "domain": "math", "language": "de"}))
    assert [(task.domain, task.language) for task in read] == [("math", "de")] * 2
    assert [task.domain for task in FileTasks(path=path)] == ["MATH", None]


def test_a_verl_file_is_read_by_its_preset_and_single_columns_still_win(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    row = {
        "data_source": "openai/gsm8k",
        "prompt": [{"role": "user", "content": "2+2?"}],
        "ability": "math",
        "reward_model": {"style": "rule", "ground_truth": "4"},
        "extra_info": {"index": 0},
    }
    pq.write_table(pa.Table.from_pylist([row]), path)
    [task] = tasks({"path": str(path), "preset": "verl"})
    assert (task.prompt, task.ground_truth, task.domain) == (row["prompt"], "4", "math")
    assert task.metadata == {"index": 0}
    [task] = tasks({"path": str(path), "preset": "verl", "columns": {"domain": "data_source"}})
    assert task.domain == "openai/gsm8k"


def test_a_bad_row_is_named_with_its_file_and_line(questions: Path) -> None:
    with questions.open("a") as file:
        file.write('{"question": "?"}\nnonsense\n')
    source = iter(tasks({"path": str(questions), "columns": COLUMNS}))
    assert len([next(source) for _ in range(5)]) == 5
    with pytest.raises(DataError, match=r"questions\.jsonl:6: has no column 'answer'"):
        next(source)


def test_the_error_of_a_missing_column_shows_what_to_write_in_the_run_file(questions: Path) -> None:
    with pytest.raises(DataError) as caught:
        list(tasks({"path": str(questions)}))
    assert 'columns = { prompt = "question" }' in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "tasks.path: is required"),
        (
            {"path": "a.jsonl", "columns": {"promt": "q"}},
            "tasks.columns: 'promt' is none of guerdon's columns; did you",
        ),
        ({"path": "a.jsonl", "columns": {"completion": "q"}}, "tasks.columns: 'completion' is none of guerdon's"),
        ({"path": "a.jsonl", "preset": "tlr"}, "tasks.preset: input should be 'trl', 'verl' or 'openrlhf'"),
        ({"path": "a.jsonl", "limit": 0}, "tasks.limit: input should be greater than 0"),
        ({"path": "a.jsonl", "colums": {}}, "tasks.colums: no such option; did you mean 'columns'?"),
    ],
)
def test_every_mistake_in_the_run_file_is_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RunFileError) as caught:
        tasks(options)
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match=r"gone\.jsonl: does not exist"):
        list(tasks({"path": "gone.jsonl"}))


def test_the_options_survive_the_way_to_another_process(questions: Path) -> None:
    source = FileTasks(path=(questions,), preset="trl", columns=COLUMNS, domain="math", limit=3)
    assert FileTasks.model_validate_json(source.model_dump_json()) == source


def test_a_column_of_completions_becomes_demonstrations(tmp_path: Path) -> None:
    path = tmp_path / "shown.jsonl"
    path.write_text('{"prompt": "1+1?", "completion": "2"}\n{"prompt": "q", "completion": "a", "metadata": {"x": 1}}\n')
    assert [task.metadata for task in FileTasks(path=path)] == [{"completion": "2"}, {"completion": "a", "x": 1}]
