"""`guerdon prefer FILE`: preference pairs of what a model says, by what a judge holds better."""

import asyncio
import shlex
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from guerdon.cli.arguments import File, Overrides

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from guerdon.cli.preferred import Preferred
    from guerdon.cli.which import Which
    from guerdon.plugs import Sampling
    from guerdon.preference import Pair
    from guerdon.preferring import Pairs
    from guerdon.runfile import RunFile
    from guerdon.totals import Term
    from guerdon.types import Rollout, Task


def prefer(
    file: File,
    *,
    out: Annotated[Path, typer.Option(help="Where the pairs go: .jsonl or .parquet.", show_default=False)],
    model: Annotated[
        str | None,
        typer.Option(
            metavar="RUN|CHECKPOINT",
            help="Whose completions are compared, as for `guerdon eval`; the run file's policy if you do not say.",
            show_default=False,
        ),
    ] = None,
    reward: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The reward that compares, where the file has several.", show_default=False),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=2, help="Completions of each task.")] = 2,
    limit: Annotated[int | None, typer.Option(min=1, help="Take so many tasks at most.", show_default=False)] = None,
    temperature: Annotated[float, typer.Option(min=0, help="0 is greedy.")] = 1.0,
    top_p: Annotated[float, typer.Option(min=0.001, max=1)] = 1.0,
    max_completion_length: Annotated[int, typer.Option(min=1, help="In tokens.")] = 1024,
    seed: Annotated[int | None, typer.Option(help="The run file's own if you do not say.", show_default=False)] = None,
    set_: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interruption stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it is there.")] = False,
) -> None:
    """Make preference pairs: sample completions of the run file's tasks, and have a judge say which is better.

    A pair is kept if its mean marks differ by more than 1 on the judge's scale, and as long as the chosen answers are
    as long as the rejected ones in the mean, to 5 %. Each has its marks and reasons with it. Nothing that was sampled
    or judged is lost by Ctrl-C, a crash or kill -9: --resume goes on from there, to the same file.
    """
    from guerdon.cli.installed import printing_aside
    from guerdon.cli.preferred import Preferred
    from guerdon.cli.terminal import note
    from guerdon.errors import DataError
    from guerdon.plugs import Sampling
    from guerdon.preference import balanced
    from guerdon.preferring import pairs_of

    if resume and overwrite:
        raise DataError("--resume --overwrite", "contradict each other", "choose one")
    with printing_aside(), _chosen(file, model, set_ or ()) as which:
        run = which.file
        term, tasks = _comparing(run, reward), _tasks(run, limit)
        sampling = Sampling(temperature, top_p, max_completion_length, run.seed if seed is None else seed)
        asked: dict[str, Any] = {
            "the run file": run.text,
            "--set": sorted(set_ or ()),
            "--model": model,
            "--reward": term.name,
        }
        asked |= {"-k": k, "sampling": vars(sampling), "the tasks": _digest(tasks)}
        with Preferred(out, asked, resume=resume, overwrite=overwrite) as preferred:
            preferred.take_up()
            done = len(preferred.known.compared)
            if done:
                note(f"{out}: {done:,} of {len(tasks):,} tasks are compared already")
            try:
                _compare(which, term, tasks, preferred, sampling=sampling, k=k)
            except KeyboardInterrupt:
                words = [word for word in sys.argv[1:] if word not in ("--overwrite", "--resume")]
                note("\ninterrupted; what is sampled and judged is kept. Go on with")
                note(f"  guerdon {shlex.join(words)} --resume")
                raise typer.Exit(130) from None
            found = pairs_of(preferred.known, _shown(term))
            kept = balanced(found.clear)
            preferred.finished(kept)
    _show(found, kept, out)
    if not kept:
        note("no pair was kept, for the reasons above")
        raise typer.Exit(1)


@contextmanager
def _chosen(file: Path, model: str | None, overrides: "Sequence[str]") -> "Iterator[Which]":
    """The model is the one that is named, or that the sampler brings, or the policy's."""
    from guerdon.cli import arguments
    from guerdon.cli.which import Which, which
    from guerdon.errors import OptionError

    run = arguments.load(file, overrides)
    if model is not None or (run.sampler is not None and run.sampler.own_model is not None):
        yield which(model, file, overrides)
        return
    if run.sampler is None:
        raise OptionError(f"{file}: sampler", "there is none", 'write [sampler], as in `use = "local"`')
    policy = run.policy
    if policy is None:
        raise OptionError(f"{file}: policy", "there is none, and no --model", "write [policy], or name a checkpoint")
    with tempfile.TemporaryDirectory(prefix="guerdon-prefer-") as workdir:
        yield Which(run, run.sampler, lambda: policy.checkpoint(Path(workdir)))


def _comparing(run: "RunFile", name: str | None) -> "Term":
    from guerdon.errors import OptionError, suggestion
    from guerdon.plugs import GroupReward

    comparing = {term.name: term for term in run.terms if isinstance(term.reward, GroupReward)}
    if name is not None and name not in comparing:
        raise OptionError("--reward", f"no reward that compares is named '{name}'", suggestion(name, list(comparing)))
    if not comparing:
        way_out = 'write [rewards.better] with `use = "judge-pairs"`'
        raise OptionError(f"{run.path}: rewards", "none of them compares completions", way_out)
    if name is None and len(comparing) > 1:
        raise OptionError("--reward", f"says which of them compares: {', '.join(comparing)}", "name one")
    return comparing[name or next(iter(comparing))]


def _shown(term: "Term") -> "Callable[[Rollout], str]":
    """A model that learns from the pairs must read what the judge read."""
    whole = getattr(term.reward, "scope", "answer") == "completion"
    return lambda rollout: rollout.text if whole else rollout.answer


def _tasks(run: "RunFile", limit: int | None) -> "Sequence[Task]":
    from itertools import islice

    from guerdon.errors import DataError, OptionError

    if run.tasks is None:
        raise OptionError(f"{run.path}: tasks", "there is no table", 'write [tasks], as in `use = "file"`')
    tasks = list(islice(run.tasks, limit))
    if not tasks:
        raise DataError("tasks", "there are none", f"look at the options of '{run.tasks.name}'")
    return tasks


def _digest(tasks: "Sequence[Task]") -> str:
    import hashlib

    return hashlib.sha256(repr(tasks).encode("utf-8", "backslashreplace")).hexdigest()


def _compare(
    which: "Which", term: "Term", tasks: "Sequence[Task]", preferred: "Preferred", *, sampling: "Sampling", k: int
) -> None:
    from guerdon.cli.progress import Progress
    from guerdon.cli.terminal import note
    from guerdon.mixture import Mixture
    from guerdon.plugs import opened
    from guerdon.preferring import compare

    if "cache" in type(term.reward).model_fields and getattr(term.reward, "cache", None) is None:
        note(f"rewards.{term.name} has no `cache`: verdicts of a task whose comparison is interrupted are asked again")

    async def work(done: Any) -> None:
        async with opened(which.sampler):
            await compare(
                tasks,
                mixture,
                term,
                which.sampler,
                which.checkpoint(),
                group_size=k,
                sampling=sampling,
                known=preferred.known,
                keep=lambda row: preferred.append([row]),
                done=done,
            )

    begun = len(preferred.known.compared)
    with Mixture([term]) as mixture, Progress("comparing", len(tasks), begun) as progress:
        asyncio.run(work(progress.advance))


def _show(found: "Pairs", kept: "Sequence[Pair]", out: Path) -> None:
    from guerdon.cli.terminal import console, note, table

    to = console()
    listed = table(to, "pairs", "", numbers=("",))
    for reason, count in found.dropped.items():
        listed.add_row(f"dropped: {reason}", f"{count:,}")
    listed.add_row("dropped: to balance the lengths", f"{len(found.clear) - len(kept):,}")
    listed.add_row("kept", f"{len(kept):,}")
    if kept:
        chosen, rejected = (sum(pair.lengths[place] for pair in kept) / len(kept) for place in (0, 1))
        longer = sum(pair.lengths[0] > pair.lengths[1] for pair in kept) / len(kept)
        listed.add_row("mean length of the chosen, characters", f"{chosen:,.1f}")
        listed.add_row("mean length of the rejected", f"{rejected:,.1f}")
        listed.add_row("chosen is the longer one", f"{longer:.0%}")
    to.print(listed)
    if found.unscored:
        note(f"no score, as for {found.unscored}")
    typer.echo(f"the pairs are in {out}")
