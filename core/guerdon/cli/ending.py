"""What is shown when a training is over: what it did to the model, in numbers and in its own words."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from guerdon.cli.history import History, read
from guerdon.cli.terminal import console, heading, indented, note, printable, shortened, table, warn

if TYPE_CHECKING:
    from rich.console import Console

    from guerdon.runfile import RunFile

SAMPLES = 3
"""Held-out tasks whose completions are shown: the first ones, so that nobody has chosen them."""
LONGEST = 600
"""Characters of a completion that are shown."""
MEAN_OF = 10
"""Steps at the beginning and at the end whose means are compared where nothing was evaluated."""
ROWS = ("pass@", "cons@", "rewards/", "mean_length", "clipped_ratio", "unscored")
FAULTS = ("rollouts/unscored", "groups/dropped", "updates/skipped")
"""What is shown of steps only where it happened."""
PLAIN = ("reward", "rewards/", "correlation/", "loss", "eval/", "completions/", "entropy", "kl", "experts/load")


def show_ending(described: "RunFile") -> None:
    """Print a table of before and after, the same tasks' completions before and after, and what to do next."""
    to = console()
    history = read(described.directory)
    evaluated = _evaluated(history)
    to.print()
    if evaluated:
        _show_evaluations(to, evaluated)
        _show_samples(to, described.directory, evaluated)
    else:
        _show_steps(to, history)
    _show_warnings(history)
    drawn = _draw(described.directory)
    to.print()
    if history.note:
        to.print(printable(history.note))
    if drawn is not None:
        to.print(f"the curves are in {drawn}", soft_wrap=True)
    _show_next(to, described, with_evaluation=bool(evaluated))


def _evaluated(history: History) -> dict[str, Mapping[str, Any]]:
    """The evaluation before the first step and the last one of every stage, each by what it came after."""
    chosen: dict[str, Mapping[str, Any]] = {}
    for line in history.lines:
        if "eval/pass@1" in line or "eval/unscored" in line:
            chosen["before" if line["step"] == 0 else f"after {line['stage']}"] = line
    return chosen


def _show_evaluations(to: "Console", evaluated: Mapping[str, Mapping[str, Any]]) -> None:
    heading(to, "held-out tasks, which no step of the training has seen")
    names = {name[5:]: None for line in evaluated.values() for name in line if name.startswith("eval/")}
    listed = table(to, "", *map(printable, evaluated), numbers=tuple(map(printable, evaluated)))
    lines = list(evaluated.values())
    for start in ROWS:
        for name in names:
            if name.startswith(start) and not name.endswith(("/low", "/high")):
                values = [line.get(f"eval/{name}") for line in lines]
                if name != "unscored" or any(values):
                    listed.add_row(_named(name), *(_cell(name, value) for value in values))
                if f"{name}/low" in names:
                    listed.add_row("  95 % interval", *(_interval(line, f"eval/{name}") for line in lines))
    to.print(listed)


def _named(name: str) -> str:
    said = {"mean_length": "length, tokens", "clipped_ratio": "cut off", "unscored": "without a score"}
    return printable(said.get(name, name.removeprefix("rewards/").removesuffix("/mean")))


def _cell(name: str, value: Any) -> str:
    if not isinstance(value, int | float):
        return "–"
    return f"{value:.1f}" if name == "mean_length" else f"{value:.0f}" if name == "unscored" else f"{value:.3f}"


def _interval(line: Mapping[str, Any], name: str) -> str:
    low, high = line.get(f"{name}/low"), line.get(f"{name}/high")
    return f"{low:.2f} to {high:.2f}" if isinstance(low, float) and isinstance(high, float) else "–"


def _show_steps(to: "Console", history: History) -> None:
    for stage in history.stages():
        lines = [line for line in history.lines if line["stage"] == stage]
        count = min(MEAN_OF, max(1, len(lines) // 2))
        first, last = lines[:count], lines[-count:]
        heading(to, printable(f"{stage}: means over the first and the last {count} of {len(lines)} steps"))
        listed = table(to, "", "first", "last", numbers=("first", "last"))
        for name in history.names(""):
            values = [line.get(name) for line in lines]
            shown = any(values) if name in FAULTS else any(isinstance(value, int | float) for value in values)
            if name.startswith((*PLAIN, *FAULTS)) and shown:
                listed.add_row(printable(name), _mean(first, name), _mean(last, name))
        to.print(listed)


def _show_warnings(history: History) -> None:
    for step, warning in history.warnings():
        warn(f"step {step:,}: {warning}")


def _mean(lines: Sequence[Mapping[str, Any]], name: str) -> str:
    values = [line[name] for line in lines if isinstance(line.get(name), int | float)]
    return f"{fmean(values):.4g}" if values else "–"


def _show_samples(to: "Console", directory: Path, evaluated: Mapping[str, Mapping[str, Any]]) -> None:
    """The first completions of the same tasks, then and now."""
    times = list(evaluated)[:1] + list(evaluated)[1:][-2:]
    samples = {
        when: _samples(path)
        for when in times
        if (path := directory / "evaluations" / f"step-{evaluated[when]['step']:05d}.parquet").is_file()
    }
    for task in list(next(iter(samples.values()), ())):
        to.print()
        for when, by_task in samples.items():
            row = by_task.get(task)
            if row is None:
                continue
            if when == next(iter(samples)):
                prompt = row["prompt"]
                heading(to, shortened(prompt if isinstance(prompt, str) else str(prompt[-1].get("content")), 160))
            scores = ", ".join(f"{name} {_score(term)}" for name, term in row["terms"].items())
            to.print(printable(f"  {when}: {scores}"), soft_wrap=True)
            completion = row["prefill"] + row["completion"]
            indented(to, completion if len(completion) <= LONGEST else shortened(completion, LONGEST))


def _samples(path: Path) -> dict[str, Mapping[str, Any]]:
    """The first completion of the first tasks, by id."""
    from guerdon.errors import DataError
    from guerdon.parquet import read_parquet

    found: dict[str, Mapping[str, Any]] = {}
    for _, row in read_parquet(path):
        if isinstance(row, DataError):
            raise row
        if row["id"] not in found:
            found[row["id"]] = row
        if len(found) == SAMPLES:
            break
    return found


def _score(term: Mapping[str, Any]) -> str:
    return "no score" if term["value"] is None else f"{term['value']:g}"


def _draw(directory: Path) -> Path | None:
    from guerdon.cli.curves import draw
    from guerdon.errors import GuerdonError

    path = directory / "curves.png"
    try:
        draw(directory, path)
    except GuerdonError as error:
        note(f"no curves: {error}")
        return None
    return path


def _show_next(to: "Console", described: "RunFile", with_evaluation: bool) -> None:
    run = shlex.quote(str(described.directory))
    more = [f"guerdon plot {run} --out curves.svg"]
    if with_evaluation:
        more.insert(0, f"guerdon eval {run} -k 8")
    recipe = described.path.stem
    if _is_recipe(described):
        more.append(f"guerdon recipe {recipe} > my.toml   # then change it, and: guerdon train my.toml")
    to.print("next:")
    for command in more:
        to.print(f"  {command}", soft_wrap=True)


def _is_recipe(described: "RunFile") -> bool:
    from guerdon.cli.installed import registry

    recipe = registry().recipes.get(described.path.stem)
    return recipe is not None and recipe.path == described.path
