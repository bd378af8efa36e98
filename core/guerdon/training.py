"""A run from its first stage to its last, in a directory of its own, and on from where it was stopped."""

import errno
import fcntl
import os
import shutil
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from guerdon import registry
from guerdon.checkpoints import Checkpoints, Saved, verified, write_failure
from guerdon.errors import DataError, GuerdonError
from guerdon.evaluation import Evaluator
from guerdon.events import Listeners
from guerdon.hacking import Watch
from guerdon.journal import METRICS, Journal, read_metrics, trim
from guerdon.mixture import Mixture
from guerdon.plugs import Run
from guerdon.runfile import RunFile
from guerdon.stages import Stage
from guerdon.totals import Term

CONFIG = "config.toml"
LOCK = ".lock"
ANEW = "begin anew with --overwrite"


@contextmanager
def begun(file: RunFile, *, resume: bool, overwrite: bool) -> Iterator[None]:
    """The run's directory, ready and held by this process alone, with `config.toml` in it.

    Raises DataError: there is a run already, or none to resume, or another process trains it, or the run file has
    changed since.
    """
    directory, config = file.directory, file.directory / CONFIG
    if resume and not config.exists():
        raise DataError(str(directory), "holds no run that could be resumed", "leave --resume away")
    if _has_begun(directory) and not (resume or overwrite):
        way_out = "--resume goes on with it, --overwrite begins anew, --set directory=… leaves it alone"
        raise DataError(str(directory), "holds a run already", way_out)
    if not config.exists() and directory.is_dir() and any(one.name != LOCK for one in directory.iterdir()):
        raise DataError(str(directory), "is not empty, and holds no run", "name another: --set directory=…")
    _look_at_tasks(file)
    ready = False
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / LOCK).open("w") as lock:
            _hold(lock.fileno(), directory)
            if resume:
                _same(config, file.table)
            else:
                _empty(directory)
                _write(config, file.table)
            ready = True
            yield
    except OSError as error:
        if ready and not _of(directory, error):
            raise
        what = f"cannot be used: {error.strerror or error}"
        raise DataError(error.filename or str(directory), what, "name another: --set directory=…") from None
    except Exception as error:
        failed = write_failure(error, directory)
        if failed is None:
            raise
        raise DataError(
            str(directory), f"could not be written: {failed}", "make room, and go on with --resume"
        ) from error


def train(
    file: RunFile, listeners: Listeners, say: Callable[[str], None], interruption: threading.Event | None = None
) -> None:
    """Train every stage that is not done yet. The directory must have `begun`.

    `say` takes a line about what was found on the way; `interruption` is set to save after the step and leave.

    Raises:
        Interrupted: it was asked to, and is saved.
        GuerdonError: whatever stops a stage.
    """
    saved = _restored(file.directory, say)
    names = [stage.name for stage in file.stages]
    if saved is not None and saved.stage not in names:
        raise DataError(str(saved.path), f"is of a stage '{saved.stage}' that the run file does not have")
    first = 0 if saved is None else names.index(saved.stage) + saved.last
    for stage in file.stages[first:]:
        going_on = saved if saved is not None and not saved.last else None
        before = 0 if saved is None else saved.step - (0 if saved.last else saved.stage_step)
        journal = Journal(
            file.directory,
            stage.name,
            listeners,
            before=before,
            done=going_on.stage_step if going_on else 0,
            restored=going_on.path if going_on else None,
            interruption=interruption,
            watch=_watch(file.directory, stage),
            say=say,
        )
        _fit(file, stage, journal)
        saved = _last_of(file.directory, stage.name)
        if saved is None:
            way_out = "its `fit` must end with `run.journal.saving(step, last=True)`"
            raise GuerdonError(f"trainer '{stage.trainer.name}'", "ended without a last checkpoint", way_out)


def dry_run(file: RunFile) -> Iterator[tuple[str, str]]:
    """The name of every stage, and what its trainer would start. Nothing is started or written. Raises GuerdonError."""
    _look_at_tasks(file)
    for stage in file.stages:
        journal = Journal(file.directory, stage.name, Listeners(registry.load().manager))
        start = file.directory / "checkpoints" / f"(the last of {stage.start})" if stage.start else None
        yield stage.name, stage.trainer.dry_run(_run(file, stage, journal, start, mixture=Mixture(stage.terms)))


def _has_begun(directory: Path) -> bool:
    """Whether something would be lost: a run that ended before its first step has left nothing."""
    return (directory / METRICS).exists() or bool(Checkpoints(directory / "checkpoints").found())


def _look_at_tasks(file: RunFile) -> None:
    """The first task of every stage: a path that is wrong in the last one must not be found out after the others."""
    sources = [stage.tasks for stage in file.stages] + [file.evaluation.tasks if file.evaluation else None]
    for tasks in sources:
        for _ in tasks or ():
            break


def _fit(file: RunFile, stage: Stage, journal: Journal) -> None:
    start = None if stage.start is None else _start(file.directory, stage.start, journal)
    with ExitStack() as closing:
        mixtures: dict[int, Mixture] = {}

        def mixture(terms: Any) -> Mixture:
            # The rewards of a stage are most often those of its evaluation: their workers are needed once.
            if id(terms) not in mixtures:
                mixtures[id(terms)] = closing.enter_context(Mixture(terms))
            return mixtures[id(terms)]

        unpaid: tuple[Term, ...] = ()
        evaluator = None
        if file.evaluation is not None:
            judges = mixture(file.terms)
            evaluator = Evaluator(file.evaluation, judges, file.directory, file.seed, journal.before)
        if stage.trainer.judges_elsewhere:
            judging = Mixture(stage.terms)
        else:
            judging = mixture(stage.terms if "rewards" in stage.trainer.requires else unpaid)
        run = _run(file, stage, journal, start, mixture=judging, evaluator=evaluator)
        journal.listeners.run_started(run)
        try:
            stage.trainer.fit(run)
        except BaseException as error:
            error.add_note(f"(in the stage '{stage.name}', by the trainer '{stage.trainer.name}')")
            journal.listeners.run_finished(run, error)
            raise
        journal.listeners.run_finished(run, None)


def _run(
    file: RunFile,
    stage: Stage,
    journal: Journal,
    start: Path | None,
    *,
    mixture: Mixture,
    evaluator: Evaluator | None = None,
) -> Run:
    return Run(
        directory=file.directory,
        seed=file.seed,
        mixture=mixture,
        journal=journal,
        stage=stage.name,
        start=start,
        tasks=stage.tasks,
        policy=stage.policy,
        sampler=stage.sampler,
        trainer=stage.trainer,
        evaluator=evaluator,
        trackers=file.trackers,
    )


def _watch(directory: Path, stage: Stage) -> Watch:
    """Knows what the stage has logged so far, so that nothing is warned of again after an interruption."""
    watch = Watch(stage.terms)
    for line in read_metrics(directory) if (directory / METRICS).exists() else ():
        if line["stage"] == stage.name:
            watch.hear(line)
    return watch


def _start(directory: Path, stage: str, journal: Journal) -> Path | None:
    """The last checkpoint of an earlier stage. A stage that goes on may do without: most keep all that they need."""
    earlier = _last_of(directory, stage)
    if journal.restored is not None:
        return earlier.path if earlier else None
    assert earlier is not None
    try:
        return verified(earlier.path).path
    except DataError as error:
        raise DataError(error.where, error.what, ANEW) from None


def _restored(directory: Path, say: Callable[[str], None]) -> Saved | None:
    """The newest checkpoint that is whole; the run directory is put back to what it was then."""
    damaged: list[str] = []
    saved = Checkpoints(directory / "checkpoints").last_good(damaged)
    if saved is None and damaged:
        raise DataError(damaged[0], "and no other checkpoint is whole", ANEW)
    for one in damaged:
        assert saved is not None
        say(f"{one}; going on from {saved.path.name} instead")
    trim(directory, saved.step if saved else -1)
    return saved


def _last_of(directory: Path, stage: str) -> Saved | None:
    found = Checkpoints(directory / "checkpoints").found()
    return next((saved for saved in reversed(found) if saved.stage == stage and saved.last), None)


def _hold(lock: int, directory: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataError(str(directory), "another process trains this run", "wait for it, or end it") from None


def _empty(directory: Path) -> None:
    """Everything that a run leaves, and nothing else, is removed."""
    for name in ("checkpoints", "evaluations", "policies", "rollouts", "stages"):
        shutil.rmtree(directory / name, ignore_errors=True)
    for name in (CONFIG, "metrics.jsonl"):
        (directory / name).unlink(missing_ok=True)


def _of(directory: Path, error: OSError) -> bool:
    """Whether it is the directory that cannot be used; a trainer or a terminal may have failures of its own."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO):
        return True
    named = isinstance(error.filename, str | Path)
    return named and Path(error.filename).resolve().is_relative_to(directory.resolve())


def _write(config: Path, table: Mapping[str, Any]) -> None:
    import tomli_w

    aside = config.with_suffix(".writing")
    aside.write_text(tomli_w.dumps(table), encoding="utf-8")
    os.replace(aside, config)


def _same(config: Path, table: Mapping[str, Any]) -> None:
    """Raises DataError if the run was begun with other options: what it does next would belong to neither."""
    begun_with = tomllib.loads(config.read_text(encoding="utf-8"))
    # A run may be moved, and looked at in another way.
    free = ("directory", "trackers", "note")
    for path in _differences(begun_with, table):
        if path.partition(".")[0] not in free:
            way_out = "undo the change, or begin a new run: --overwrite, or --set directory=…"
            raise DataError(str(config), f"{path} was another when the run began", way_out)


def _differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {**one, **other}:
            inner = f"{path}.{key}" if path else key
            yield from _differences(one.get(key), other.get(key), inner)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            name = mine.get("name", i) if isinstance(mine, Mapping) else i
            yield from _differences(mine, theirs, f"{path}.{name}")
    elif one != other:
        yield path
