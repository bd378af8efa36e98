import datetime
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest

from guerdon import DataError, Tasks
from guerdon.options import build
from guerdon_tasks import DatasetTasks

ROWS = {"question": ["1+1?", "2+2?", "3+3?"], "answer": ["2", "4", "6"]}
COLUMNS = {"prompt": "question", "ground_truth": "answer"}


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))


def tasks(options: dict[str, Any]) -> Tasks:
    return build(Tasks, {"use": "dataset", "columns": COLUMNS, **options}, "tasks")


def truths(options: dict[str, Any]) -> list[Any]:
    return [task.ground_truth for task in tasks(options)]


def test_a_directory_of_save_to_disk_is_read(tmp_path: Path) -> None:
    datasets.Dataset.from_dict(ROWS).save_to_disk(tmp_path / "saved")
    assert truths({"path": str(tmp_path / "saved")}) == ["2", "4", "6"]
    assert truths({"path": str(tmp_path / "saved"), "limit": 2}) == ["2", "4"]


def test_of_several_saved_splits_the_one_that_is_named_is_read(tmp_path: Path) -> None:
    test = datasets.Dataset.from_dict(ROWS)
    datasets.DatasetDict({"train": test.select([0]), "test": test}).save_to_disk(tmp_path / "saved")
    path = str(tmp_path / "saved")
    assert truths({"path": path}) == ["2"]
    assert truths({"path": path, "split": "test"}) == ["2", "4", "6"]
    with pytest.raises(DataError, match="has no split 'tset'; there are train, test"):
        truths({"path": path, "split": "tset"})


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_local_file_is_read_and_may_be_sliced(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"rows{suffix}"
    dataset = datasets.Dataset.from_dict({**ROWS, "answer": ["a", "b", "c"]})
    {".parquet": dataset.to_parquet, ".csv": dataset.to_csv, ".jsonl": dataset.to_json}[suffix](path)
    assert truths({"path": str(path), "split": "train[1:]"}) == ["b", "c"]


def test_values_that_are_no_json_become_json(tmp_path: Path) -> None:
    rows = {"prompt": ["q"], "ground_truth": [{"day": datetime.date(2025, 1, 2), "raw": b"\xff"}]}
    datasets.Dataset.from_dict(rows).save_to_disk(tmp_path / "saved")
    [task] = DatasetTasks(path=str(tmp_path / "saved"))
    assert json.loads(json.dumps(task.ground_truth)) == {"day": "2025-01-02", "raw": "/w=="}


def test_a_missing_column_is_named_with_the_row(tmp_path: Path) -> None:
    datasets.Dataset.from_dict(ROWS).save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match=r"saved\[train\]:1: has no column 'prompt' \(there: question, answer\)"):
        list(DatasetTasks(path=str(tmp_path / "saved")))


def test_an_unreachable_hub_is_a_clear_error() -> None:
    with pytest.raises(DataError) as caught:
        truths({"path": "nobody/nothing-at-all"})
    assert caught.value.where == "dataset 'nobody/nothing-at-all'"
    assert "cannot be loaded" in caught.value.what
    assert "without a network, download it" in caught.value.way_out


@pytest.mark.parametrize("path", ["./gone", "/gone/data.parquet", "~/gone-for-good"])
def test_a_path_that_is_not_there_is_not_looked_for_on_the_hub(path: str) -> None:
    with pytest.raises(DataError, match="does not exist"):
        truths({"path": path})


def test_a_file_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("x")
    with pytest.raises(DataError, match=r"is none of these files; give a directory, or one of \.parquet"):
        truths({"path": str(path)})


def test_a_broken_file_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"nonsense")
    with pytest.raises(DataError, match="cannot be loaded"):
        truths({"path": str(path)})


def test_the_plugin_imports_no_datasets_until_it_is_used() -> None:
    code = "import sys, guerdon_tasks; assert not {'datasets', 'pyarrow', 'pandas'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)
