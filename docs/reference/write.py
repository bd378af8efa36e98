"""Writes the pages of docs/reference that say what the code says. `make docs` runs it; a test compares."""

import ast
import inspect
import re
from pathlib import Path
from typing import TypeGuard

import pydantic_core
from pydantic import BaseModel
from typer.main import get_command

from guerdon import hookspecs, journal, plugs, programs, registry
from guerdon.cli.app import app
from guerdon.columns import PRESETS, ROLLOUT_COLUMNS
from guerdon.options import tables_in
from guerdon.plugs import KINDS, Plug, Reward
from guerdon.rows import READERS

HERE = Path(__file__).parent


def pages() -> dict[str, str]:
    """The generated pages, by file name."""
    return {
        "command-line.md": _command_line(),
        "files.md": _files(),
        "hooks.md": _hooks(),
        "kinds.md": _kinds(),
        "plugs.md": _plugs(),
    }


def _command_line() -> str:
    lines = ["# The command line", "", "Generated from the commands by `make docs`.", ""]
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        for path, one in (
            [(f"{name} {inner}", one) for inner, one in command.commands.items()]
            if hasattr(command, "commands")
            else [(name, command)]
        ):
            lines += [f"## `guerdon {path}`", "", inspect.cleandoc(one.help or ""), ""]
            lines += ["| argument or option | |", "|---|---|"] if one.params else []
            for parameter in one.params:
                shown = f"`{parameter.opts[0]}`" if parameter.opts[0].startswith("-") else parameter.name.upper()
                lines.append(f"| {shown} | {parameter.help} |")
            lines.append("")
    return "\n".join([*lines, *EXIT_CODES])


EXIT_CODES = [
    "## Exit codes",
    "",
    "| code | |",
    "|---|---|",
    "| 0 | done |",
    "| 1 | `plugins`: something cannot be used; `check`: a task fails; `sandbox check`: a promise is broken; "
    "`score`: not one rollout was scored; `prefer`: no pair is kept |",
    "| 2 | a mistake in the arguments, files or plugins, named on stderr; or output that cannot be written |",
    "| 130 | interrupted; `train`, `prefer` and `score --out` keep what is done, and say how to go on |",
    "| 141 | whoever read standard output stopped early |",
    "",
]


def _files() -> str:
    lines = ["# Files", "", "## Rollouts and tasks in", "", "Generated from `guerdon.columns` by `make docs`.", ""]
    lines += [f"By suffix: {', '.join(f'`{suffix}`' for suffix in READERS)}. Columns:", ""]
    lines += ["| column | |", "|---|---|"]
    lines += [f"| `{name}` | {doc} |" for name, doc in ROLLOUT_COLUMNS.items()]
    lines += ["", "A file of tasks has no `completion`, `truncated` and `prefill`.", ""]
    lines += [
        "Other names: `--map OURS=THEIRS` on the command line; `columns` of the tasks `file` and `dataset` in a run"
    ]
    lines += ["file, which also have a `preset` for the conventions of other trainers:", ""]
    for name, columns in PRESETS.items():
        shown = (
            f"{ours} from {theirs if isinstance(theirs, str) else ' or '.join(theirs)}"
            for ours, theirs in columns.items()
        )
        lines.append(f"- `{name}`: {'; '.join(shown)}")
    return "\n".join([*lines, "", SCORED])


SCORED = """\
## Scored rows out

The same rows, each with

| column | |
|---|---|
| `score` | the total, or null for no score |
| `outcome` | `scored`, `not_applicable`, `bad_ground_truth`, `unavailable` or `verifier_error` |
| `reason` | how the total came about |
| `terms` | for each term `value`, `reason`, `outcome`, `seconds`, `queued_seconds` and `evidence` |

`seconds` is wall-clock time of the judging itself, `queued_seconds` of waiting for it.

In Parquet, columns of anything but text, numbers and truth values are JSON strings; which ones, the schema's metadata
says under `guerdon.json_columns`, and text with lone surrogates is escaped. guerdon reads its own files back as they
were.
"""


def _hooks() -> str:
    lines = ["# Hooks", "", "Generated from `guerdon.hookspecs` by `make docs`.", ""]
    lines += [inspect.cleandoc(hookspecs.__doc__ or "").partition("\n\n")[2], ""]
    for name, hook in vars(hookspecs).items():
        if hasattr(hook, "guerdon_spec"):
            signature = ", ".join(inspect.signature(hook).parameters)
            lines += [f"## `{name}({signature})`", "", *_indented_code(inspect.getdoc(hook) or ""), ""]
    return "\n".join(lines).rstrip() + "\n"


def _indented_code(doc: str) -> list[str]:
    sentence, _, more = doc.partition("\n\n")
    code = ["```python", more, "```"] if more.startswith("@") else [more]
    return [sentence, *(["", *code] if more else [])]


def _kinds() -> str:
    tree = ast.parse(inspect.getsource(plugs))
    lines = ["# What a plugin can supply", ""]
    lines += ["Generated from `guerdon.plugs`, `.programs` and `.journal` by `make docs`.", ""]
    lines += [inspect.cleandoc(ast.get_docstring(tree) or "").partition("\n\n")[2], ""]
    rooms = [ast.parse(inspect.getsource(module)).body for module in (programs, journal)]
    for one in (*tree.body, *(one for room in rooms for one in room)):
        if isinstance(one, ast.ClassDef):
            lines += [f"## `{one.name}`", "", ast.get_docstring(one) or "", "", *_members(one), ""]
    return "\n".join(lines).rstrip() + "\n"


def _members(one: ast.ClassDef) -> list[str]:
    lines = []
    for member, following in zip(one.body, [*one.body[1:], None], strict=True):
        if isinstance(member, ast.AnnAssign):
            doc = following.value.value if _is_docstring(following) else ""
            lines.append(f"- `{ast.unparse(member)}`" + (f": {' '.join(doc.split())}" if doc else ""))
        elif isinstance(member, ast.FunctionDef | ast.AsyncFunctionDef) and not member.name.startswith("__"):
            kind = "async def" if isinstance(member, ast.AsyncFunctionDef) else "def"
            returns = f" -> {ast.unparse(member.returns)}" if member.returns else ""
            doc = " ".join((ast.get_docstring(member) or "").split())
            lines.append(f"- `{kind} {member.name}({ast.unparse(member.args)}){returns}`: {doc}")
    return lines


def _is_docstring(node: ast.stmt | None) -> TypeGuard[ast.Expr]:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _plugs() -> str:
    lines = ["# Plugs", "", "Every plug that comes with guerdon, generated from its docstrings by `make docs`.", ""]
    entries = registry.load().plugs
    for kind in KINDS:
        names = sorted(name for k, name in entries if k == kind and entries[k, name].distribution == "guerdon")
        if names:
            lines += [f"## Kind: {kind}", ""]
        for name in names:
            lines += _plug(entries[kind, name].plug)
    lines += ["## Recipes", "", "`guerdon train NAME` runs one, `guerdon recipe NAME` prints it.", ""]
    lines += ["| recipe | |", "|---|---|"]
    lines += [f"| `{name}` | {recipe.summary} |" for name, recipe in sorted(registry.load().recipes.items())]
    return "\n".join(lines).rstrip() + "\n"


def _plug(plug: type[Plug]) -> list[str]:
    lines = [f"### `{plug.name}`", "", inspect.getdoc(plug) or "", ""]
    if issubclass(plug, Reward):
        lines += [_where(plug), ""]
    lines += _options(plug)
    for table in tables_in(plug):
        lines += ["", f"A `{table.__name__}` is a table. {inspect.getdoc(table) or ''}", "", *_options(table)]
    return [*lines, ""]


def _options(model: type[BaseModel]) -> list[str]:
    lines = ["| option | type | default | |", "|---|---|---|---|"] if model.model_fields else []
    for name, field in model.model_fields.items():
        default = "required" if field.is_required() else f"`{_toml(field.get_default(call_default_factory=True))}`"
        kind = str(field.annotation.__name__ if isinstance(field.annotation, type) else field.annotation)
        kind = kind.replace("typing.", "").replace("|", "\\|")
        doc = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `{name}` | {_shown(kind)} | {default} | {doc} |")
    return lines


def _shown(kind: str) -> str:
    """A type without the modules of plugins, and without what cannot be read of an annotation."""
    return re.sub(r"Annotated\[(\w+), .*?\)\]", r"\1", re.sub(r"\bguerdon_\w+(\.[a-z_]\w*)*\.(?=[A-Z])", "", kind))


def _where(plug: type[Reward]) -> str:
    if plug.is_async():
        return "Runs on the mixture's loop."
    if plug.isolation == "inline":
        return "Runs inline."
    budget = plug.budget
    return (
        f"Runs in a {plug.isolation} process: {budget.cpu_seconds:g} CPU seconds, {budget.wall_seconds:g} s wall clock "
        f"and {budget.memory_mb} MiB a judging."
    )


def _toml(value: object) -> str:
    return pydantic_core.to_json(value).decode()


def main() -> None:
    """Write the pages beside this file."""
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
