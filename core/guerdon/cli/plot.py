"""`guerdon plot RUN`: the curves of a run as a picture."""

from pathlib import Path
from typing import Annotated

import typer

SUFFIXES = (".png", ".svg", ".pdf")


def plot(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's directory.", show_default=False)],
    *,
    out: Annotated[
        Path | None,
        typer.Option(help="Where the picture goes: .png, .svg or .pdf; RUN/curves.png if you do not say."),
    ] = None,
) -> None:
    """Draw the curves of a run: accuracy, rewards, response length, entropy, KL, expert load and reflection words.

    Where a reward is a model's opinion, what it goes along with is drawn too, and where a warning was given. A run that
    goes on may be drawn at any time.
    """
    from guerdon.cli.curves import draw
    from guerdon.errors import DataError

    path = out or run / "curves.png"
    if path.suffix not in SUFFIXES:
        raise DataError(str(path), f"is none of {', '.join(SUFFIXES)}", "give it one of these suffixes")
    draw(run, path)
    typer.echo(f"the curves are in {path}")
