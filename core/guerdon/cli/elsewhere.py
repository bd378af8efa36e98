"""`--ray [ADDRESS]`: an option whose value may be left out, which Typer has no word for."""

import re
from typing import Annotated, Any, TypeAlias

import typer
from typer.core import TyperCommand

Ray: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="[ADDRESS]",
        help="Score on every node of a Ray cluster: HOST:PORT, or auto for the one that this machine belongs to. "
        "Without an address that of $RAY_ADDRESS, else a local Ray.",
        show_default=False,
    ),
]
NOWHERE_SAID = ""
"""The value of an option without an address."""
ADDRESS = re.compile(r"auto|local|\S+://\S*|[^/\s]+:\d+")


class Command(TyperCommand):
    """A command with `--ray`: what follows it is its value only if it looks like an address."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """The arguments, with an empty address where there is none."""
        for place, word in enumerate(args):
            if word == "--ray" and not (place + 1 < len(args) and ADDRESS.fullmatch(args[place + 1])):
                args = [*args[:place], f"--ray={NOWHERE_SAID}", *args[place + 1 :]]
        return super().parse_args(ctx, args)
