"""`guerdon explain FILE ROLLOUTS`: why one rollout gets what it gets."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from guerdon.cli.arguments import File, Map, Overrides, Rollouts

if TYPE_CHECKING:
    from rich.console import Console

    from guerdon.columns import Columns
    from guerdon.mixture import Mixture
    from guerdon.scoring import ReadRollout
    from guerdon.totals import Term, Total

SHORT = 300
"""Characters of a prompt, a thinking part, an answer or evidence that are shown."""


def explain(
    file: File,
    rollouts: Rollouts,
    *,
    row: Annotated[int | None, typer.Option(min=1, help="The rollout in this line of the file.")] = None,
    id_: Annotated[str | None, typer.Option("--id", metavar="ID", help="The rollout of this id.")] = None,
    map_: Map = None,
    set_: Overrides = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scored row as JSON.")] = False,
) -> None:
    """Explain one rollout: which terms are for it, its gates, what each term says and why, and the total."""
    from guerdon.cli import arguments
    from guerdon.cli.installed import printing_aside
    from guerdon.cli.terminal import console
    from guerdon.ledger import verdict

    run = arguments.load(file, set_)
    columns = arguments.columns(map_)
    mixture = run.mixture(1)
    chosen, group = _choose(rollouts, columns, row, id_, mixture.needs_groups)
    with printing_aside(), mixture:
        groups = [one.group or "" for one in group] if mixture.needs_groups else None
        total = mixture.submit([one.rollout for one in group], groups).result()[group.index(chosen)]
    if as_json:
        typer.echo(json.dumps({**chosen.row, **verdict(total)}))
        return
    to = console()
    _show_rollout(to, rollouts, chosen)
    _show_terms(to, mixture, chosen.rollout.task.domain, total)
    to.print()
    _show_total(to, total)


def _choose(
    path: Path, columns: "Columns", row: int | None, id_: str | None, with_group: bool
) -> tuple["ReadRollout", list["ReadRollout"]]:
    """The rollout that is meant, and the rollouts that it has to be judged with."""
    from guerdon.errors import DataError, OptionError
    from guerdon.scoring import read_rollouts

    if (row is None) == (id_ is None):
        raise OptionError("--row, --id", "one of them says which rollout to explain", "as in --row 1")
    found: list[ReadRollout] = []
    bad: dict[str, DataError] = {}
    last = 0
    for one in read_rollouts(path, columns, lambda error: bad.update({error.where: error})):
        last = one.line
        if row == one.line or id_ == one.rollout.task.id:
            found.append(one)
            if row is not None and not with_group:
                break
    if f"{path}:{row}" in bad:
        raise bad[f"{path}:{row}"]
    if not found:
        if row is not None:
            raise DataError(f"{path}:{row}", "there is no rollout in this line", f"the last one is in line {last}")
        raise DataError(str(path), f"no rollout has the id {id_!r}", "say its line with --row")
    if len(found) > 1:
        lines = ", ".join(str(one.line) for one in found[:10]) + (", …" if len(found) > 10 else "")
        raise DataError(str(path), f"{len(found)} rollouts have the id {id_!r}", f"say --row with one of {lines}")
    chosen = found[0]
    if not with_group or chosen.group is None:
        return chosen, [chosen]
    read = read_rollouts(path, columns, lambda _: None)
    group = [chosen if one.line == chosen.line else one for one in read if one.group == chosen.group]
    return chosen, group


def _show_rollout(to: "Console", path: Path, chosen: "ReadRollout") -> None:
    from guerdon.cli.terminal import heading

    rollout, task = chosen.rollout, chosen.rollout.task
    heading(to, f"{path}:{chosen.line}")
    prompt = task.prompt if isinstance(task.prompt, str) else json.dumps(task.prompt, ensure_ascii=False)
    _fact(to, "id", task.id)
    _fact(to, "domain", task.domain or "(none)")
    if chosen.group is not None:
        _fact(to, "group", chosen.group)
    _fact(to, "prompt", _sized(prompt))
    _fact(to, "truth", json.dumps(task.ground_truth, ensure_ascii=False))
    _fact(to, "thinking", _sized(rollout.thinking))
    _fact(to, "answer", _sized(rollout.answer))
    if rollout.truncated:
        _fact(to, "truncated", "yes, at the length limit")
    to.print()


def _fact(to: "Console", name: str, text: str) -> None:
    from rich.table import Table

    from guerdon.cli.terminal import shortened

    line = Table.grid(padding=(0, 1, 0, 0))
    line.add_column(min_width=11, style="dim", no_wrap=True)
    line.add_column()
    line.add_row(f"  {name}", shortened(text, SHORT))
    to.print(line)


def _sized(text: str) -> str:
    return f"({len(text):,} character{'s'[: len(text) != 1]}) {text}" if text else "(none)"


def _show_terms(to: "Console", mixture: "Mixture", domain: str | None, total: "Total") -> None:
    from guerdon.cli.terminal import heading, indented, printable, shortened
    from guerdon.types import Outcome

    for term in mixture.terms:
        judged = total.terms[term.name]
        score = judged.score
        if score.outcome is Outcome.NOT_APPLICABLE:
            heading(to, f"{term.name}: {score.outcome}")
            indented(to, _route(term, domain))
            continue
        value = "no score" if score.value is None else f"{score.value:g}"
        gate = ", the gate is shut" if term.gate and score.value is not None and score.value < 1 else ""
        heading(to, printable(f"{term.name}: {value} ({score.outcome}{gate})"))
        indented(to, score.reason)
        kind = f"gate of weight {term.weight:g}" if term.gate else f"weight {term.weight:g}"
        indented(to, f"{term.reward.name}; {kind}; {_route(term, domain)}; {judged.seconds:.3g} s")
        for name, value in score.evidence.items():
            indented(to, f"evidence {name}: {shortened(json.dumps(value, ensure_ascii=False, default=str), SHORT)}")


def _route(term: "Term", domain: str | None) -> str:
    if term.domains is None:
        return "for every task"
    names = ", ".join(term.domains)
    if term.applies(domain):
        return f"for {names}"
    return f"for {names} only, and this task " + ("has no domain" if domain is None else f"is of domain {domain}")


def _show_total(to: "Console", total: "Total") -> None:
    from guerdon.cli.terminal import heading, indented, printable

    value = "no score" if total.value is None else f"{total.value:g}"
    heading(to, printable(f"total: {value} ({total.outcome})"))
    indented(to, total.reason)
