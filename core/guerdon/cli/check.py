"""`guerdon check FILE`: a run file without a mistake, and verifiers that take every task's own ground truth."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guerdon.cli.arguments import File, Map, Overrides, Workers

if TYPE_CHECKING:
    from rich.console import Console

    from guerdon.columns import Columns
    from guerdon.mixture import Mixture
    from guerdon.plugs import Tasks
    from guerdon.runfile import RunFile
    from guerdon.totals import Term
    from guerdon.types import Task
    from guerdon.wire import Verdict

SHOWN = 10
"""Failures of one term and cause that are named one by one."""
AT_ONCE = 2048
"""Tasks that are proved at the same time."""


def check(
    file: File,
    *,
    tasks: Annotated[
        Path | None,
        typer.Option(help="Prove on the tasks of this file (rollouts will do) instead of the run file's own."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Prove on so many tasks at most.")] = None,
    map_: Map = None,
    set_: Overrides = None,
    workers: Workers = None,
) -> None:
    """Check a run file, and prove every verifier on every task's own ground truth, before a GPU is switched on.

    A task whose own truth does not earn full marks is named with the reason, and the exit code is then 1.
    """
    from guerdon.cli import arguments
    from guerdon.cli.routing import idle_terms
    from guerdon.cli.terminal import console, counted, heading, warn
    from guerdon.errors import DataError
    from guerdon.mixture import Mixture

    run = arguments.load(file, set_)
    columns = arguments.columns(map_)
    to = console()
    sources = list(_sources(run, tasks, columns))
    if not sources:
        run.mixture()  # which there must be
        to.print(f"{file}: no mistakes, {counted(len(run.terms), 'term')}. Nothing was proved: there are no tasks")
        to.print("name some with --tasks FILE, or in a [tasks] table")
        return
    failures = 0
    for stage, terms, source in sources:
        if stage:
            heading(to, f"stage {stage}")
        with Mixture(terms, workers) as mixture:
            proof = _Proof(mixture)
            proof.run(islice(_unlike(source), limit), to)
        if not proof.tasks:
            raise DataError(str(file), "its tasks are none", "look at [tasks]")
        proof.show(to)
        failures += proof.failures
        if limit is None or proof.tasks < limit:
            for idle in idle_terms(terms, proof.domains, "task"):
                warn(idle)
    if failures:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Placed:
    """A task and where it stands."""

    where: str
    task: "Task"

    def __str__(self) -> str:
        return f"{self.where} (id {self.task.id})"


def _sources(
    run: "RunFile", path: Path | None, columns: "Columns"
) -> Iterator[tuple[str, "Sequence[Term]", Iterator[_Placed]]]:
    """Tasks and the terms to be proved on them: the run file's, or those of each stage that is paid by rewards."""
    from guerdon.columns import task_of
    from guerdon.rows import read_rows

    if path is not None:
        rows = ((f"{path}:{number}", row) for number, row in read_rows(path))
        run.mixture()  # which there must be
        yield "", run.terms, (_Placed(where, task_of(row, where, columns)) for where, row in rows)
    elif run.tasks is not None:
        run.mixture()
        yield "", run.terms, _placed(run.tasks)
    else:
        for stage in run.stages:
            if "rewards" in stage.trainer.requires and stage.tasks is not None:
                yield stage.name, stage.terms, _placed(stage.tasks)


def _placed(tasks: "Tasks") -> Iterator[_Placed]:
    return (_Placed(f"task {number}", task) for number, task in enumerate(tasks, 1))


def _unlike(tasks: Iterable[_Placed]) -> Iterator[_Placed]:
    """Each task once: a file of rollouts names it once for every completion."""
    import hashlib
    import json

    seen: set[bytes] = set()
    for one in tasks:
        facts = {name: value for name, value in vars(one.task).items() if name != "id"}
        key = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).digest()
        if key not in seen:
            seen.add(key)
            yield one


class _Proof:
    """What came of proving each term on each task."""

    def __init__(self, mixture: "Mixture") -> None:
        self.mixture = mixture
        self.tasks = 0
        self.failures = 0
        self.counts = {term.name: Counter[str]() for term in mixture.terms}
        self.causes: Counter[tuple[str, str]] = Counter()
        """Failures by term and cause."""
        self.domains: set[str | None] = set()
        self.uncovered: Counter[str | None] = Counter()
        self.first_uncovered: dict[str | None, _Placed] = {}

    def run(self, tasks: Iterator[_Placed], to: "Console") -> None:
        """Prove all terms on all of these tasks, and name failures as they come."""
        from guerdon.cli.progress import Progress
        from guerdon.cli.terminal import counted, printable
        from guerdon.types import Rollout

        with Progress("proving", None) as progress:
            while batch := list(islice(tasks, AT_ONCE)):
                self.tasks += len(batch)
                running = []
                for term in self.mixture.terms:
                    mine = [one for one in batch if term.applies(one.task.domain)]
                    running.append((term, mine, self.mixture.prove(term, [Rollout(one.task, "") for one in mine])))
                for one in batch:
                    self.domains.add(one.task.domain)
                    if not self.mixture.covers(one.task.domain):
                        self.uncovered[one.task.domain] += 1
                        self.first_uncovered.setdefault(one.task.domain, one)
                for term, mine, verdicts in running:
                    for one, verdict in zip(mine, verdicts.result(), strict=True):
                        self._note(term, one, verdict, to)
                progress.advance(len(batch))
        for (name, cause), count in self.causes.items():
            if count > SHOWN:
                to.print(printable(f"… and {count - SHOWN:,} more of {name} ({cause})"))
        for domain, count in self.uncovered.items():
            self.failures += count
            which = "without a domain" if domain is None else f"of domain {domain!r}"
            to.print(
                f"FAILED {counted(count, 'task')} {which} (the first: {self.first_uncovered[domain]}): "
                f"no weighted term covers {'it' if count == 1 else 'them'}; "
                "add one, or leave `domains` out of one that fits all"
            )

    def _note(self, term: "Term", one: _Placed, verdict: "Verdict", to: "Console") -> None:
        from guerdon.cli.terminal import printable
        from guerdon.judging import OWN_TRUTH

        if verdict.failure is None:
            assert verdict.scores is not None
            by_truth = verdict.scores[0].evidence["control"] == OWN_TRUTH
            self.counts[term.name]["proved" if by_truth else "unproved"] += 1
            return
        self.failures += 1
        self.counts[term.name]["failed"] += 1
        self.causes[term.name, verdict.failure.cause] += 1
        if self.causes[term.name, verdict.failure.cause] <= SHOWN:
            to.print(printable(f"FAILED {term.name}: {one}: {verdict.failure.what}"), soft_wrap=True)

    def show(self, to: "Console") -> None:
        """A table of the terms."""
        from guerdon.cli.terminal import counted, printable, table

        numbers = ("tasks", "proved", "cannot be proved", "failed")
        listed = table(to, "term", "reward", *numbers, numbers=numbers)
        for term in self.mixture.terms:
            counts = self.counts[term.name]
            shown = [counts.total(), counts["proved"], counts["unproved"], counts["failed"]]
            listed.add_row(printable(term.name), term.reward.name, *(f"{count:,}" for count in shown))
        to.print(counted(self.tasks, "different task"))
        to.print(listed)
        if any(counts["unproved"] for counts in self.counts.values()):
            to.print(
                "cannot be proved: no failure; the reward offers no canonical completion, "
                "so an empty one was judged instead, and that went well"
            )
        to.print(counted(self.failures, "failure"))
