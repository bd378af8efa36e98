"""`guerdon show NAME`: a plug's own reference."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel
    from rich.console import Console

    from guerdon.plugs import Reward
    from guerdon.registry import Entry, Registry


def show(name: Annotated[str, typer.Argument(help="A name from `guerdon plugins`.")]) -> None:
    """Show what a plug does, its options with types, defaults and docs, and how to write it in a run file."""
    from guerdon.cli.installed import registry
    from guerdon.cli.terminal import console

    found = registry()
    entries = [(kind, entry) for (kind, one), entry in sorted(found.plugs.items()) if one == name]
    if not entries:
        _complain(found, name)
    to = console()
    for number, (kind, entry) in enumerate(entries):
        if number:
            to.print()
        _show(to, kind, entry)


def _complain(found: "Registry", name: str) -> None:
    from guerdon.errors import PluginError, suggestion

    for (_, one), clash in found.clashes.items():
        if one == name:
            raise clash
    also = f" (a plugin could not be loaded: {found.broken[0]})" if found.broken else ""
    names = sorted({one for _, one in found.plugs})
    raise PluginError(name, "no plug is named so", suggestion(name, names) + also)


def _show(to: "Console", kind: str, entry: "Entry") -> None:
    from guerdon.cli.describe import example, paragraphs
    from guerdon.cli.plugins import versioned
    from guerdon.cli.terminal import heading, indented
    from guerdon.options import tables_in
    from guerdon.plugs import Reward

    plug = entry.plug
    heading(to, f"{kind} {plug.name}")
    indented(to, f"plugin {entry.plugin} of {versioned(entry.distribution)}", 2)
    to.print()
    indented(to, paragraphs(plug.__doc__ or "(its author has not said what it does)"), 2)
    to.print()
    if issubclass(plug, Reward):
        indented(to, _where_it_runs(plug), 2)
        to.print()
    heading(to, "options" if plug.model_fields else "options: none")
    _options(to, plug)
    for model in tables_in(plug):
        to.print()
        heading(to, f"options of a {model.__name__}, which is a table")
        _options(to, model)
    to.print()
    heading(to, "in a run file")
    indented(to, example(plug), 2)


def _options(to: "Console", model: "type[BaseModel]") -> None:
    from guerdon.cli.describe import default_of, paragraphs, type_of
    from guerdon.cli.terminal import indented

    for name, field in model.model_fields.items():
        default = default_of(field)
        indented(to, f"{name} ({type_of(field)}) " + (default if default == "required" else f"= {default}"), 2)
        indented(to, paragraphs(field.description or "(not documented)"), 6)


def _where_it_runs(reward: "type[Reward]") -> str:
    from guerdon.plugs import GroupReward, Reward, Verifier

    budget = reward.budget
    unit = "group" if issubclass(reward, GroupReward) else "rollout" if issubclass(reward, Verifier) else "batch"
    if reward.is_async():
        fixed = reward.at_once is Reward.at_once
        return (
            f"runs: on the mixture's loop (async), {f'up to {reward.concurrency}' if fixed else 'several'} at a time; "
            f"budget for each {unit}: {budget.wall_seconds:g} s"
        )
    times = f"{budget.cpu_seconds:g} s CPU, {budget.wall_seconds:g} s in all"
    if reward.isolation == "inline":
        return "runs: inline, in the process that scores, without a limit"
    if reward.isolation == "resident":
        return f"runs: resident, in one long-lived worker; budget for each {unit}: {times}"
    return f"runs: in a worker that can be killed; budget for each {unit}: {times}, {budget.memory_mb} MiB"
