"""The commands together, and what becomes of an error."""

import sys
from typing import Annotated

import typer

from guerdon.cli import (
    check,
    elsewhere,
    eval,
    explain,
    new,
    plot,
    plugins,
    prefer,
    recipe,
    sandbox,
    score,
    serve,
    show,
    streams,
    train,
)
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
app.command("score", cls=elsewhere.Command)(score.score)
app.command("explain")(explain.explain)
app.command("train")(train.train)
app.command("recipe")(recipe.recipe)
app.command("eval")(eval.evaluate)
app.command("prefer")(prefer.prefer)
app.command("serve")(serve.serve)
app.command("plot")(plot.plot)
app.add_typer(sandbox.app, name="sandbox")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(plugins.versioned("guerdon"))
        raise typer.Exit


@app.callback()
def guerdon(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Rewards and verifiers for reinforcement learning of language models, as plugins."""


def main() -> None:
    """Run the command that the arguments name. A mistake of the user's becomes one message and exit code 2."""
    try:
        streams.prepare()
        app()
    except GuerdonError as error:
        typer.secho("error: ", fg="red", bold=True, nl=False, err=True)
        typer.echo(str(error), err=True)
        sys.exit(2)
