"""`guerdon train FILE|RECIPE`: a run from its first stage to its last, and on from where it was stopped."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guerdon.cli.arguments import FileOrRecipe, Overrides

if TYPE_CHECKING:
    from guerdon.cli.live import Live


def train(
    file: FileOrRecipe,
    *,
    set_: Overrides = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Begin anew where there is a run already.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what every stage would start, and start nothing.")
    ] = False,
) -> None:
    """Train what a run file or a recipe describes, and show how it goes.

    The run's directory holds its metrics, all rollouts with what every reward said, and checkpoints. After Ctrl-C, a
    crash or a full disk, --resume goes on from the last checkpoint, to the same weights as without the interruption.
    """
    from guerdon.cli import arguments
    from guerdon.cli.ending import show_ending
    from guerdon.cli.installed import registry
    from guerdon.cli.live import Live
    from guerdon.cli.terminal import note
    from guerdon.cli.watching import Display
    from guerdon.errors import DataError, Interrupted, OptionError
    from guerdon.events import Listeners
    from guerdon.training import begun
    from guerdon.training import dry_run as planned
    from guerdon.training import train as run

    if resume and overwrite:
        raise DataError("--resume --overwrite", "contradict each other", "choose one")
    described = arguments.load(file, set_)
    if not described.stages:
        raise OptionError(f"{file}: trainer", "there is none", "write [trainer], as in `guerdon recipe r1-zero`")
    if dry_run:
        for name, what in planned(described):
            typer.echo(f"stage {name}: {what}")
        return
    manager = registry().manager
    with begun(described, resume=resume, overwrite=overwrite):
        note(f"the run is in {described.directory}")
        with Live(described) as live, _leaving(live) as interruption:
            display = Display(live)
            manager.register(display, name="the display")
            try:
                run(described, Listeners(manager), live.say, interruption)
            except Interrupted as error:
                live.close()
                note(f"stopped after {error}; all of it is saved. Go on with:\n  {_again(file, set_)}")
                raise typer.Exit(130) from None
            except KeyboardInterrupt:
                live.close()
                note(f"left in the middle of a step. Go on from the last checkpoint with:\n  {_again(file, set_)}")
                raise typer.Exit(130) from None
            finally:
                manager.unregister(display)
        show_ending(described)


@contextmanager
def _leaving(live: "Live") -> Iterator[threading.Event]:
    """In it, the first Ctrl-C asks to save and leave, and the second one leaves at once."""
    interruption = threading.Event()

    def asked(*_: object) -> None:
        interruption.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        live.say("leaving as soon as nothing is lost by it; Ctrl-C again leaves at once")

    before = signal.signal(signal.SIGINT, asked)
    try:
        yield interruption
    finally:
        signal.signal(signal.SIGINT, before)


def _again(file: Path, set_: list[str] | None) -> str:
    import shlex

    overrides = [part for one in set_ or () for part in ("--set", one)]
    return shlex.join(["guerdon", "train", str(file), *overrides, "--resume"])
