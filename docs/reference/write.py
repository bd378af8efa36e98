"""Writes the pages of docs/reference that say what the code says. `make docs` runs it; a test compares."""

import inspect
from pathlib import Path

import pydantic_core

from guerdon import hookspecs, registry
from guerdon.plugs import KINDS, Plug, Reward

HERE = Path(__file__).parent


def pages() -> dict[str, str]:
    """The generated pages, by file name."""
    return {"hooks.md": _hooks(), "plugs.md": _plugs()}


def _hooks() -> str:
    lines = ["# Hooks", "", "Generated from `guerdon.hookspecs` by `make docs`.", ""]
    lines += [inspect.cleandoc(hookspecs.__doc__ or "").partition("\n\n")[2], ""]
    for name, hook in vars(hookspecs).items():
        if hasattr(hook, "guerdon_spec"):
            signature = ", ".join(inspect.signature(hook).parameters)
            lines += [f"## `{name}({signature})`", "", *_indented_code(inspect.getdoc(hook) or ""), ""]
    return "\n".join(lines).rstrip() + "\n"


def _indented_code(doc: str) -> list[str]:
    sentence, _, code = doc.partition("\n\n")
    return [sentence, *(["", "```python", code, "```"] if code else [])]


def _plugs() -> str:
    lines = ["# Plugs", "", "Every plug that comes with guerdon, generated from its docstrings by `make docs`.", ""]
    entries = registry.load().plugs
    for kind in KINDS:
        names = sorted(name for k, name in entries if k == kind and entries[k, name].distribution == "guerdon")
        if names:
            lines += [f"## Kind: {kind}", ""]
        for name in names:
            lines += _plug(entries[kind, name].plug)
    return "\n".join(lines).rstrip() + "\n"


def _plug(plug: type[Plug]) -> list[str]:
    lines = [f"### `{plug.name}`", "", inspect.getdoc(plug) or "", ""]
    if issubclass(plug, Reward):
        lines += [_where(plug), ""]
    if plug.model_fields:
        lines += ["| option | type | default | |", "|---|---|---|---|"]
    for name, field in plug.model_fields.items():
        default = "required" if field.is_required() else f"`{_toml(field.get_default(call_default_factory=True))}`"
        kind = str(field.annotation.__name__ if isinstance(field.annotation, type) else field.annotation)
        kind = kind.replace("typing.", "").replace("|", "\\|")
        doc = " ".join((field.description or "").split()).replace("|", "\\|")
        lines.append(f"| `{name}` | {kind} | {default} | {doc} |")
    return [*lines, ""]


def _where(plug: type[Reward]) -> str:
    if plug.is_async():
        return "Runs on the mixture's loop."
    if plug.isolation == "inline":
        return "Runs inline."
    budget = plug.budget
    return (
        f"Runs in a {plug.isolation} process: {budget.cpu_seconds:g} CPU seconds, {budget.wall_seconds:g} s wall clock, "
        f"{budget.memory_mb} MiB a judging."
    )


def _toml(value: object) -> str:
    return pydantic_core.to_json(value).decode()


def main() -> None:
    """Write the pages beside this file."""
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
