"""Tasks from Hugging Face datasets (https://huggingface.co/docs/datasets)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from guerdon import DataError, Task
from guerdon.jsonvalues import plain
from guerdon_tasks.table import TableTasks

BUILDERS = {".parquet": "parquet", ".jsonl": "json", ".json": "json", ".csv": "csv", ".arrow": "arrow"}
"""Which of datasets' builders reads a file, by suffix."""
SAVED = ("dataset_info.json", "dataset_dict.json")
"""What `save_to_disk` leaves in the directory of a dataset, or of several splits."""


class DatasetTasks(TableTasks):
    """A Hugging Face dataset: from the hub, from a directory of `save_to_disk`, or from files."""

    name: ClassVar[str] = "dataset"
    needs: ClassVar[Mapping[str, str]] = {"datasets": "pip install 'guerdon[datasets]'"}

    path: str
    """A name on the hub (`openai/gsm8k`), a directory, or a file (Parquet, JSONL, CSV, Arrow)."""
    config: str | None = None
    """Which of its configurations, where it has several (`main`)."""
    split: str = "train"
    """Which split, or (except from a directory of `save_to_disk`) which part of it: `test`, `train[:1000]`."""

    def __iter__(self) -> Iterator[Task]:  # type: ignore[override]  # as in Tasks
        """The tasks, in the order of the dataset."""
        return self.tasks(self._rows())

    def _rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        try:
            dataset = self._load()
        except DataError:
            raise
        except Exception as error:  # the library and its network stack raise dozens of kinds
            what = str(error).strip() or type(error).__name__
            way_out = "check the name, `config` and `split`; without a network, download it and give its directory"
            raise DataError(f"dataset '{self.path}'", f"cannot be loaded: {what}", way_out) from error
        for number, row in enumerate(dataset, 1):
            yield f"{self.path}[{self.split}]:{number}", plain(row)

    def _load(self) -> Any:
        import datasets

        path = Path(self.path).expanduser()
        if path.is_dir() and any((path / name).is_file() for name in SAVED):
            saved = datasets.load_from_disk(str(path))
            return self._chosen(saved) if isinstance(saved, dict) else saved
        if path.is_dir():
            return datasets.load_dataset(str(path), self.config, split=self.split)
        if path.is_file() and path.suffix in BUILDERS:
            name = self.split.partition("[")[0]  # one file is all of the split that is asked for
            return datasets.load_dataset(BUILDERS[path.suffix], data_files={name: str(path)}, split=self.split)
        if path.is_file() or path.suffix in BUILDERS or self.path.startswith(("/", ".", "~")):
            what = "is none of these files" if path.is_file() else "does not exist"
            raise DataError(f"dataset '{self.path}'", what, f"give a directory, or one of {', '.join(BUILDERS)}")
        return datasets.load_dataset(self.path, self.config, split=self.split)

    def _chosen(self, saved: dict[str, Any]) -> Any:
        if self.split not in saved:
            where, known = f"dataset '{self.path}'", ", ".join(saved)
            raise DataError(where, f"has no split '{self.split}'", f"there are {known}; for a part of one, use `limit`")
        return saved[self.split]
