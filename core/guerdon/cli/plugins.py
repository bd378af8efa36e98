"""`guerdon plugins`: who is here, and what is broken."""

from functools import cache
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from guerdon.registry import Registry


def plugins() -> None:
    """List every plug that is installed: rewards, tasks and the rest, and where each comes from.

    Plugins that cannot be loaded and names that two plugs claim follow, each with its error; the exit code is then 1.
    """
    from guerdon.cli.installed import registry
    from guerdon.cli.terminal import console

    found = registry()
    to = console()
    _list(found, to)
    wrong = [*found.broken, *found.clashes.values()]
    if wrong:
        from guerdon.cli.terminal import heading, indented

        to.print()
        heading(to, "What cannot be used")
        for error in wrong:
            indented(to, str(error), 2)
        raise typer.Exit(1)


def _list(found: "Registry", to: "Console") -> None:
    from rich.text import Text

    from guerdon.cli.terminal import NARROW, printable, table

    below = to.width < NARROW
    columns = ["kind", "name", "plugin", "distribution"]
    listed = table(to, *(columns if below else [*columns[:2], "what it is", *columns[2:]]))
    for column in listed.columns:
        column.no_wrap = column.header != "what it is" and not (below and column.header == "name")
    for kind, name, what, plugin, distribution in _rows(found):
        if below:
            cell = Text(name, style="bold") + Text(f"\n{printable(what)}", style="not bold dim" if what else "")
            listed.add_row(kind, cell, plugin, distribution)
        else:
            listed.add_row(kind, Text(name, style="bold"), printable(what), plugin, distribution)
    if listed.row_count:
        to.print(listed)
    else:
        to.print("No plugin is installed.")


def _rows(found: "Registry") -> list[tuple[str, str, str, str, str]]:
    from guerdon.cli.describe import first_line

    rows = [
        (kind, name, first_line(entry.plug.__doc__), entry.plugin, versioned(entry.distribution))
        for (kind, name), entry in sorted(found.plugs.items())
    ]
    rows += [
        ("recipe", name, recipe.summary, recipe.plugin, versioned(recipe.distribution))
        for name, recipe in sorted(found.recipes.items())
    ]
    supply = {entry.plugin for entry in found.plugs.values()}
    for plugin, module in found.manager.list_name_plugin():
        listens = [caller.name for caller in found.manager.get_hookcallers(module) or [] if not _registers(caller.name)]
        if listens and plugin not in supply:
            rows.append(("listener", "", first_line(module.__doc__), plugin, versioned(found.distributions[plugin])))
    return rows


def _registers(hook: str) -> bool:
    return hook.startswith("register_")


@cache
def versioned(distribution: str) -> str:
    """A distribution with its version, as in `guerdon 0.1.0`."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return distribution
