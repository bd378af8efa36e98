"""The commands together, and what becomes of an error."""

import sys
from typing import TextIO

import typer

from guerdon.cli import check, explain, new, plugins, score, show
from guerdon.errors import GuerdonError

app = typer.Typer(
    name="guerdon",
    help="Rewards and verifiers for reinforcement learning of language models, as plugins.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("plugins")(plugins.plugins)
app.command("show")(show.show)
app.add_typer(new.app, name="new")
app.command("check")(check.check)
app.command("score")(score.score)
app.command("explain")(explain.explain)


def main() -> None:
    """Run the command that the arguments name. A mistake of the user's becomes one message and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        _never_fail_to_write(stream)
    try:
        app()
    except GuerdonError as error:
        typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(str(error), err=True)
        sys.exit(2)


def _never_fail_to_write(stream: TextIO) -> None:
    # Completions hold lone surrogates, and a terminal may not be UTF-8.
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
