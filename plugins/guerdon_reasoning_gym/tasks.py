"""Tasks without end, made by reasoning-gym's generators (https://github.com/open-thought/reasoning-gym)."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, ClassVar, cast

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from guerdon import GuerdonError, Task, Tasks
from guerdon_reasoning_gym.entry import Entry

NEEDS_DATASETS = "composite"
"""The one dataset that is made of others; `names` does that here."""


class ReasoningGymTasks(Tasks):
    """More than a hundred kinds of procedural puzzles. Use them with the reward `reasoning-gym`.

    The tasks are the same in every run. Their prompt is the bare question: ask for `<answer>` tags in a system prompt.
    """

    name: ClassVar[str] = "reasoning-gym"
    needs: ClassVar[Mapping[str, str]] = {"reasoning_gym": "pip install 'guerdon[reasoning-gym]'"}

    names: Annotated[tuple[str, ...], Field(validate_default=True)] = ()
    """Its datasets, as in `["countdown", "maze"]`; their tasks come in turns. Without names, all of them."""
    size: Annotated[int, Field(gt=0)] = 100
    """How many tasks of each dataset."""
    seed: int = 0
    """Another seed makes other tasks."""
    config: dict[str, dict[str, Any]] = Field(default={})
    """Options of single datasets, as in `config = { countdown = { max_numbers = 4 } }`."""
    domain: str | None = None
    """The domain of all these tasks."""

    @field_validator("names")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            _config_class(name)
        return names

    @field_validator("config")
    @classmethod
    def _takes(cls, config: dict[str, dict[str, Any]], info: ValidationInfo) -> dict[str, dict[str, Any]]:
        for name, options in config.items():
            known = [field.name for field in dataclasses.fields(_config_class(name))]
            for option in options:
                if option in ("seed", "size"):
                    raise _mistake(f"{name}.{option} is the same for all datasets; leave it out here")
                if option not in known:
                    raise _mistake(f"{name} has no option '{option}'; {_suggestion(option, known)}")
            if info.data.get("names") and name not in info.data["names"]:
                raise _mistake(f"{name} is not among the names; add it there, or leave it out here")
        return config

    def __iter__(self) -> Iterator[Task]:  # type: ignore[override]  # as in Tasks
        """The tasks, one of each dataset in turn."""
        names = list(self.names) or _all_names()
        for line in _generated({"names": names, "size": self.size, "seed": self.seed, "config": self.config}):
            name, index = line["name"], line["index"]
            if "broken" in line:
                raise GuerdonError(f"tasks 'reasoning-gym': {name}", f"cannot make task {index}: {line['broken']}")
            entry = cast(Entry, {"dataset": name, "config": self.config.get(name, {}), **line["entry"]})
            yield Task(
                id=f"{name}/{self.seed}/{index}",
                prompt=entry["question"],
                ground_truth=entry,
                domain=self.domain,
                language="en",
                metadata={"dataset": name},
            )


def _generated(order: dict[str, Any]) -> Iterator[dict[str, Any]]:
    path = [entry or os.getcwd() for entry in sys.path]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "guerdon_reasoning_gym.generate", json.dumps(order)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONHASHSEED": "0"},
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                yield json.loads(line)
            if process.wait() != 0:
                errors.seek(0)
                what = errors.read().decode(errors="replace").strip().rpartition("\n")[2] or "it was killed"
                raise GuerdonError("tasks 'reasoning-gym'", f"the process that makes them ended: {what}")
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _all_names() -> list[str]:
    return sorted(_datasets().keys() - {NEEDS_DATASETS})


def _datasets() -> dict[str, tuple[type, type]]:
    import reasoning_gym.factory

    found: dict[str, tuple[type, type]] = reasoning_gym.factory.DATASETS
    return found


def _config_class(name: str) -> type:
    found = _datasets()
    if name not in found:
        raise _mistake(f"reasoning-gym has no dataset '{name}'; {_suggestion(name, _all_names())}")
    if name == NEEDS_DATASETS:
        raise _mistake(f"'{name}' is made of other datasets; name those")
    return found[name][1]


def _suggestion(wrong: str, known: list[str]) -> str:
    close = get_close_matches(wrong, known, n=1)
    return f"did you mean '{close[0]}'?" if close else f"there are {', '.join(known)}"


def _mistake(what: str) -> PydanticCustomError:
    return PydanticCustomError("reasoning_gym", "{what}", {"what": what})
