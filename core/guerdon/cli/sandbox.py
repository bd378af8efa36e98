"""`guerdon sandbox build|check|clean`: a place for model-written code, made, proved and removed."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TextIO, TypeAlias

import typer

if TYPE_CHECKING:
    from guerdon.plugs import Sandbox

app = typer.Typer(help="Make, prove and remove a place where model-written code may run.", no_args_is_help=True)

Name: TypeAlias = Annotated[str, typer.Argument(metavar="[NAME]", help="A sandbox from `guerdon plugins`.")]
Options: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="An option of the sandbox, as in base=debian:stable.", show_default=False
    ),
]


@app.callback()
def sandbox() -> None:
    """Make, prove and remove a place where model-written code may run."""


@app.command("build")
def build(name: Name = "docker", *, set_: Options = None) -> None:
    """Make what programs are run in: the image, for docker."""
    plug = _plug(name, set_)
    with _saying(sys.stderr) as say:
        plug.build(say)


@app.command("check")
def check(name: Name = "docker", *, set_: Options = None) -> None:
    """Try every promise of a sandbox, with harmless programs inside it, and name each one that held.

    The exit code is 1 if one is broken.
    """
    from guerdon.cli.terminal import warn
    from guerdon.errors import GuerdonError, Unavailable
    from guerdon.testing import check_sandbox

    plug = _plug(name, set_)
    try:
        with _saying(sys.stdout) as say:
            check_sandbox(plug, say)
    except AssertionError as error:
        warn(str(error))
        raise typer.Exit(1) from None
    except Unavailable as error:
        raise GuerdonError(f"sandbox {name}", f"could not be checked: {error}") from None


@app.command("clean")
def clean(name: Name = "docker", *, set_: Options = None) -> None:
    """Remove what `build` has made and crashed runs have left behind."""
    plug = _plug(name, set_)
    with _saying(sys.stderr) as say:
        plug.clean(say)


def _plug(name: str, options: list[str] | None) -> "Sandbox":
    from guerdon.cli.installed import printing_aside
    from guerdon.options import build as built
    from guerdon.plugs import Sandbox
    from guerdon.runfile import override

    table: dict[str, object] = {"use": name}
    for option in options or ():
        override(table, option)
    with printing_aside():
        return built(Sandbox, table, "sandbox")


@contextmanager
def _saying(to: TextIO) -> Iterator[Callable[[str], None]]:
    """Something to say lines with. What a plug prints goes to standard error; so does how long a silence has lasted."""
    from guerdon.cli.installed import printing_aside
    from guerdon.cli.progress import QUIET_SECONDS
    from guerdon.cli.terminal import note, printable

    said = time.monotonic()
    over = threading.Event()

    def say(line: str) -> None:
        nonlocal said
        said = time.monotonic()
        typer.echo(printable(line), file=to)
        to.flush()

    def count() -> None:
        since, told = said, QUIET_SECONDS
        while not over.wait(QUIET_SECONDS / 4):
            if since != said:
                since, told = said, QUIET_SECONDS
            if time.monotonic() - since >= told:
                note(f"  … {told:.0f} s")
                told *= 2

    counting = threading.Thread(target=count, daemon=True)
    counting.start()
    try:
        with printing_aside():
            yield say
    finally:
        over.set()
        counting.join()
