"""What the commands print with: tables that fit 80 columns, and one line per row where the output goes to a pipe."""

import re
import sys
from textwrap import indent

import typer
from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

UNBOUNDED = 100_000
"""Columns. In a pipe no line is ever broken or cut."""
NARROW = 100
"""Columns. In a terminal that has fewer, descriptions go below what they describe."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def console() -> Console:
    """Standard output. Nothing in a text is taken for markup."""
    width = None if sys.stdout.isatty() else UNBOUNDED
    return Console(markup=False, highlight=False, emoji=False, width=width)


def table(to: Console, *columns: str, numbers: tuple[str, ...] = ()) -> Table:
    """An empty table; the columns named in `numbers` are aligned to the right."""
    made = Table(
        box=box.SIMPLE_HEAD if to.is_terminal else None,
        show_edge=False,
        pad_edge=False,
        padding=(0, 2, 0, 0) if not to.is_terminal else (0, 1),
        collapse_padding=True,
        header_style="bold",
    )
    for column in columns:
        right = column in numbers
        made.add_column(column, justify="right" if right else "left", vertical="top", overflow="fold")
    return made


def heading(to: Console, text: str) -> None:
    """A line above what follows."""
    to.print(Text(text, style="bold"))


def indented(to: Console, text: str, by: int = 4) -> None:
    """A paragraph, indented in all its lines."""
    if to.is_terminal:
        to.print(Padding(Text(printable(text)), (0, 0, 0, by), expand=False))
    else:
        to.print(indent(printable(text), " " * by))


def note(text: str) -> None:
    """A message on standard error: how things go, never what was asked for."""
    typer.echo(text, err=True)


def warn(text: str) -> None:
    """A message on standard error that nobody should overlook."""
    typer.secho("warning: ", fg="yellow", bold=True, nl=False, err=True)
    typer.echo(printable(text), err=True)


def counted(number: int, noun: str) -> str:
    """A number of things, as in `1 task` and `2,000 tasks`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def printable(text: str) -> str:
    """The text without what would steer a terminal: control characters become escapes. Line breaks stay."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def shortened(text: str, length: int) -> str:
    """One line of at most so many characters, with the middle left out."""
    line = printable(" ".join(text[: length * 8].split()) + (" " if len(text) > length * 8 else ""))
    if len(text) > length * 8:
        line += " ".join(text[-length * 8 :].split())
    if len(line) <= length:
        return line
    head = length * 2 // 3
    return f"{line[:head]} … {line[len(line) - (length - head - 3) :]}"
