"""`guerdon recipe NAME`: a run file to start from, as its plugin wrote it."""

from typing import Annotated

import typer


def recipe(
    name: Annotated[str, typer.Argument(help="A recipe from `guerdon plugins`.", show_default=False)],
) -> None:
    """Print a recipe, to be changed: guerdon recipe r1-zero > my.toml"""
    from guerdon.cli.installed import registry

    typer.echo(registry().recipe(name).path.read_text(encoding="utf-8"), nl=False)
