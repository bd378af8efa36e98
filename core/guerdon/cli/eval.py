"""`guerdon eval WHAT`: how good a checkpoint is on tasks, as a table or as JSON."""

import asyncio
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guerdon.cli.arguments import Map, Overrides, Workers

if TYPE_CHECKING:
    from guerdon.evaluation import Evaluation
    from guerdon.mixture import Mixture
    from guerdon.plugs import Sampler, Sampling
    from guerdon.report import Report
    from guerdon.types import Task


def evaluate(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN|CHECKPOINT",
            help="A run's directory (its last checkpoint is meant), one checkpoint of a run, or with --file any "
            "Hugging Face checkpoint: a directory, or a name on the hub. None for a sampler that brings its model.",
            show_default=False,
        ),
    ] = None,
    *,
    tasks: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|NAME",
            help="A file of tasks, the name of installed ones, or a table as in "
            '\'{ use = "sums", split = "test" }\'; the run\'s own held-out tasks if you do not say.',
            show_default=False,
        ),
    ] = None,
    k: Annotated[int | None, typer.Option("-k", min=1, help="Completions of each task.", show_default=False)] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take so many tasks at most.", show_default=False)] = None,
    temperature: Annotated[float | None, typer.Option(min=0, help="0 is greedy.", show_default=False)] = None,
    top_p: Annotated[float | None, typer.Option(min=0, max=1, show_default=False)] = None,
    max_completion_length: Annotated[int | None, typer.Option(min=1, help="In tokens.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="The run's own if you do not say.", show_default=False)] = None,
    correct: Annotated[
        list[str] | None,
        typer.Option(
            metavar="REWARD", help="A reward that must give 1 for a completion to be right.", show_default=False
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="A run file whose rewards and sampler are used.", show_default=False),
    ] = None,
    map_: Map = None,
    set_: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Where every completion goes with its scores: .jsonl or .parquet.", show_default=False),
    ] = None,
    workers: Workers = None,
) -> None:
    """Evaluate a model: pass@1 with a 95 % interval, pass@k, and cons@k, the share of tasks whose majority is right.

    pass@1 is the mean over all samples, its interval clustered by task. Answers are equal in a vote if the verifier
    holds them equal. A completion without a score is left out of all shares and counted, never counted wrong.
    """
    from guerdon.cli import arguments
    from guerdon.cli.installed import printing_aside
    from guerdon.cli.streams import OutputClosed
    from guerdon.cli.terminal import console, note
    from guerdon.cli.verdicts import show
    from guerdon.cli.which import which
    from guerdon.errors import OptionError
    from guerdon.evaluation import correct_terms

    if out is not None:
        _check_out(out)
    if top_p == 0:
        raise OptionError("--top-p", "is more than 0", "leave it out for 1")
    with printing_aside():
        chosen = which(what, file, set_ or ())
        settings = chosen.file.evaluation
        right = correct or (settings.correct if settings else [])
        if not right:
            names = ", ".join(term.name for term in chosen.file.terms)
            raise OptionError("--correct", f"says which reward decides what is right: {names}", "name one")
        correct_terms(right, chosen.file.terms, "--correct")
        chosen_tasks = _tasks(settings, tasks, limit, arguments.columns(map_))
        asked = {"temperature": temperature, "top_p": top_p, "max_completion_length": max_completion_length}
        sampling = _sampling(settings, chosen.file.seed if seed is None else seed, asked)
        each = k or (settings.k if settings else 1)
        with chosen.file.mixture(workers) as mixture:
            checkpoint = chosen.checkpoint()
            times = f"{len(chosen_tasks):,} task{'s'[: len(chosen_tasks) != 1]} × {each}"
            note(f"{checkpoint}: {times}, at temperature {sampling.temperature:g}")
            try:
                report = _report(
                    chosen_tasks, mixture, chosen.sampler, checkpoint, correct=right, k=each, sampling=sampling
                )
            except KeyboardInterrupt:
                note("\ninterrupted; nothing is kept")
                raise typer.Exit(130) from None
    if out is not None:
        _write(out, report)
    try:
        if as_json:
            typer.echo(json.dumps({"checkpoint": str(checkpoint), "sampling": vars(sampling), **report.as_json()}))
        else:
            show(console(), report)
    except OutputClosed:
        if out is None:
            raise
    if out is not None:
        note(f"every completion is in {out}")
    if not report.judged:
        note("no completion was scored, so nothing is known")
        raise typer.Exit(1)


def _report(
    tasks: "Sequence[Task]",
    mixture: "Mixture",
    sampler: "Sampler",
    checkpoint: Path,
    *,
    correct: Sequence[str],
    k: int,
    sampling: "Sampling",
) -> "Report":
    from guerdon.cli.progress import Progress
    from guerdon.evaluation import evaluate as evaluated
    from guerdon.plugs import opened

    async def work(done: Callable[[int], None]) -> "Report":
        async with opened(sampler):
            return await evaluated(
                tasks, mixture, sampler, checkpoint, correct=correct, k=k, sampling=sampling, done=done
            )

    with Progress("evaluating", len(tasks) * k) as progress:
        return asyncio.run(work(progress.advance))


def _sampling(settings: "Evaluation | None", seed: int, asked: Mapping[str, float | int | None]) -> "Sampling":
    from dataclasses import replace

    from guerdon.plugs import Sampling

    usual = settings.sampling(seed) if settings else Sampling(seed=seed)
    changed: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    return replace(usual, **changed)


def _tasks(
    settings: "Evaluation | None", named: str | None, limit: int | None, columns: "Mapping[str, str | Sequence[str]]"
) -> "Sequence[Task]":
    from itertools import islice

    from guerdon.columns import task_of
    from guerdon.errors import DataError, OptionError
    from guerdon.options import build
    from guerdon.plugs import Tasks
    from guerdon.rows import READERS, read_rows

    if named is None:
        if settings is None:
            raise OptionError("--tasks", "says what to evaluate on: the run file has no [evaluation]", "name a file")
        usual = settings.limit
        found = list(islice(settings.tasks, limit or usual))
    elif Path(named).exists() or named.lower().endswith(tuple(READERS)):
        rows = islice(read_rows(Path(named)), limit)
        found = [task_of(row, f"{named}:{number}", columns) for number, row in rows]
    else:
        found = list(islice(build(Tasks, _table(named), "--tasks"), limit))
    if not found:
        raise DataError(named or "evaluation.tasks", "there are no tasks", "name others with --tasks")
    return found


def _table(named: str) -> Any:
    import tomllib

    try:
        return tomllib.loads(f"value = {named}")["value"]
    except tomllib.TOMLDecodeError:
        return named


def _check_out(out: Path) -> None:
    from guerdon.errors import DataError

    if out.suffix not in (".jsonl", ".parquet"):
        raise DataError(str(out), "is neither .jsonl nor .parquet", "give it one of these suffixes")
    if not out.parent.is_dir():
        raise DataError(str(out), f"there is no directory {out.parent}", "make it")


def _write(out: Path, report: "Report") -> None:
    from guerdon.errors import DataError
    from guerdon.jsonvalues import plain
    from guerdon.parquet import write_parquet

    if out.suffix == ".parquet":
        write_parquet(out, list(report.rows()))
        return
    aside = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        aside.write_text("".join(json.dumps(plain(row)) + "\n" for row in report.rows()))
        os.replace(aside, out)
    except OSError as error:
        raise DataError(str(out), f"cannot be written: {error.strerror or error}", "free some space") from None
    finally:
        aside.unlink(missing_ok=True)
