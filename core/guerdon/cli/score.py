"""`guerdon score FILE ROLLOUTS`: what a mixture gives to completions that are there already."""

import shlex
import sys
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guerdon.cli.arguments import File, Map, Overrides, Rollouts, Workers
from guerdon.cli.elsewhere import Ray

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from guerdon.cli.output import Output
    from guerdon.cli.summary import Tally
    from guerdon.columns import Columns
    from guerdon.runfile import RunFile
    from guerdon.scaling.dataset import Scorer
    from guerdon.scoring import Chunk, RolloutsFile
    from guerdon.totals import Total


def score(
    file: File,
    rollouts: Rollouts,
    *,
    out: Annotated[
        Path | None,
        typer.Option(help="Where the scored rows go: .jsonl or .parquet. Without it, only the summary is shown."),
    ] = None,
    map_: Map = None,
    set_: Overrides = None,
    skip_bad_lines: Annotated[
        bool, typer.Option("--skip-bad-lines", help="Leave out lines that are no rollouts.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted scoring stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it is there.")] = False,
    workers: Workers = None,
    ray: Ray = None,
) -> None:
    """Score every rollout of a file with the rewards of a run file, and sum up per term and outcome.

    OUT gets the same rows, in the same order, each with its score, outcome and reason, and what every term said.
    What has been scored is on disk at any time: after Ctrl-C, a crash or a full disk, --resume goes on from there.
    With --ray the nodes of a cluster score, and the same comes of it.
    """
    from guerdon.cli import arguments
    from guerdon.cli.terminal import note
    from guerdon.errors import DataError
    from guerdon.types import Outcome

    run = arguments.load(file, set_)
    columns = arguments.columns(map_)
    if resume and overwrite:
        raise DataError("--resume --overwrite", "contradict each other", "choose one")
    if out is None and (resume or overwrite):
        raise DataError("--resume" if resume else "--overwrite", "needs an --out", "name the file")
    if out is not None and out.exists() and rollouts.exists() and out.samefile(rollouts):
        raise DataError(str(out), "is the file of the rollouts itself", "name another --out")
    scoring = _Scoring(run, rollouts, columns, skip_bad_lines, workers)
    try:
        with ExitStack() as stack:
            if ray is not None:
                scoring.on_ray = stack.enter_context(_on_ray(run, ray, workers))
            scoring.look_over()
            tally = scoring.to_file(out, set_ or [], resume, overwrite) if out else scoring.to_summary()
    except KeyboardInterrupt:
        _interrupted(scoring.done, out)
        raise typer.Exit(130) from None
    _show(tally, out)
    if not tally.total.outcomes[Outcome.SCORED]:
        note("no rollout was scored: every total is without a score, for the reasons above")
        raise typer.Exit(1)


@contextmanager
def _on_ray(run: "RunFile", address: str, workers: int | None) -> "Iterator[Scorer]":
    from guerdon.cli.terminal import counted, note
    from guerdon.scaling.dataset import on_ray

    with on_ray(run, address, workers) as scorer:
        cpus = sum(node.cpus for node in scorer.nodes)
        note(f"Ray: {counted(len(scorer.nodes), 'node')} with {counted(cpus, 'CPU')}")
        yield scorer


def _show(tally: "Tally", out: Path | None) -> None:
    from guerdon.cli.streams import OutputClosed
    from guerdon.cli.terminal import console

    try:
        tally.show(console())
        if out is not None:
            typer.echo(f"the scored rows are in {out}")
    except OutputClosed:
        if out is None:
            raise
        # The work is done and on disk, whoever reads the summary or not.


class _Scoring:
    """One run of the command. `done` counts the rollouts that are scored and, where there is a file, in it."""

    def __init__(
        self, run: "RunFile", rollouts: Path, columns: "Columns", skip_bad_lines: bool, workers: int | None
    ) -> None:
        from guerdon.cli.installed import registry
        from guerdon.events import Listeners

        self.run, self.rollouts, self.columns, self.skip_bad_lines = run, rollouts, columns, skip_bad_lines
        self.mixture = run.mixture(workers)
        self.listeners = Listeners(registry().manager)
        self.on_ray: Scorer | None = None
        self.done = 0

    def look_over(self) -> None:
        """The first pass: name every mistake in the file before anything runs."""
        from guerdon.cli.progress import Progress
        from guerdon.cli.routing import idle_terms
        from guerdon.cli.survey import look_over
        from guerdon.cli.terminal import note, warn

        with Progress("reading", None) as progress:
            self.survey = look_over(self.rollouts, self.columns, self.mixture, self.skip_bad_lines, progress.advance)
        if self.survey.bad:
            noun = "bad line is" if self.survey.bad == 1 else "bad lines are"
            note(f"{self.rollouts}: {self.survey.bad:,} {noun} left out\n  {self.survey.bad_lines()}")
        if self.survey.replaced:
            note(f"{self.rollouts}: replacing its own {', '.join(self.survey.replaced)}")
        for idle in idle_terms(self.run.terms, self.survey.domains, "rollout"):
            warn(idle)

    def to_summary(self) -> "Tally":
        """The second pass, without a file."""
        return self._second_pass(self._file().chunks(), self._tally(), None)

    def to_file(self, path: Path, overrides: list[str], resume: bool, overwrite: bool) -> "Tally":
        """The second pass. What a resumed file holds already is counted and not scored again."""
        from guerdon.cli.output import Output
        from guerdon.cli.progress import Progress
        from guerdon.cli.terminal import counted, note

        with Output(path, self._asked(overrides), resume, overwrite) as output:
            chunks, tally = self._file().chunks(), self._tally()
            with Progress("comparing with what is scored", None) as progress:
                for chunk, rows in output.take_up(chunks, self.rollouts):
                    for read, row in zip(chunk.read, rows, strict=True):
                        tally.add(row, read.group)
                    self.done = output.rows
                    progress.advance(len(rows))
            if self.done:
                note(f"{path}: {self.done:,} of {counted(self.survey.rollouts, 'rollout')} are scored already")
            self._second_pass(output.rest, tally, output)
            output.finished()
        return tally

    def _second_pass(self, chunks: "Iterator[Chunk]", tally: "Tally", output: "Output | None") -> "Tally":
        from guerdon.cli.progress import Progress
        from guerdon.ledger import verdict

        with self._scorer() as score, Progress("scoring", self.survey.rollouts, self.done) as progress:
            for chunk, totals in score(chunks):
                verdicts = [verdict(total) for total in totals]
                if output is not None:
                    output.append({**read.row, **said} for read, said in zip(chunk.read, verdicts, strict=True))
                self.done += len(verdicts)
                for read, said in zip(chunk.read, verdicts, strict=True):
                    tally.add(said, read.group)
                self.listeners.rollouts_scored(chunk.number, chunk.rollouts, totals)
                progress.advance(len(verdicts))
        return tally

    @contextmanager
    def _scorer(self) -> "Iterator[Callable[[Iterator[Chunk]], Iterator[tuple[Chunk, Sequence[Total]]]]]":
        from guerdon.scoring import score

        if self.on_ray is not None:
            yield partial(self.on_ray.score, self._file())
        else:
            with self.mixture:
                yield partial(score, self.mixture)

    def _file(self) -> "RolloutsFile":
        from guerdon.scoring import RolloutsFile

        return RolloutsFile(self.rollouts, self.columns, self.skip_bad_lines, self.survey.last_of_group)

    def _tally(self) -> "Tally":
        from guerdon.cli.summary import Tally

        return Tally(term.name for term in self.run.terms)

    def _asked(self, overrides: list[str]) -> dict[str, Any]:
        import hashlib

        with open(self.rollouts, "rb") as file:
            rollouts = hashlib.file_digest(file, "sha256").hexdigest()
        return {
            "the run file": hashlib.sha256(self.run.text.encode()).hexdigest(),
            "the rollouts": rollouts,
            "--set": sorted(overrides),
            "--map": sorted(map(list, self.columns.items())),
            "--skip-bad-lines": self.skip_bad_lines,
        }


def _interrupted(done: int, out: Path | None) -> None:
    from guerdon.cli.terminal import counted, note
    from guerdon.cli.unfinished import record_of

    if out is None:
        note(f"\ninterrupted after {counted(done, 'rollout')}; nothing is kept without --out")
    elif record_of(out).exists():
        words = [word for word in sys.argv[1:] if word not in ("--overwrite", "--resume")]
        note(f"\ninterrupted after {counted(done, 'rollout')}; what is scored is kept. Go on with")
        note(f"  guerdon {shlex.join(words)} --resume")
    else:
        note("\ninterrupted before anything was scored")
