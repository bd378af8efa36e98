"""A guerdon plugin: tasks from files and from Hugging Face datasets, under the column names of other trainers too."""

from collections.abc import Callable

from guerdon import Tasks, hookimpl
from guerdon_tasks.dataset import DatasetTasks
from guerdon_tasks.file import FileTasks

__all__ = ["DatasetTasks", "FileTasks"]


@hookimpl
def register_tasks(register: Callable[[type[Tasks]], None]) -> None:
    """Offer `file` and `dataset`."""
    register(FileTasks)
    register(DatasetTasks)
