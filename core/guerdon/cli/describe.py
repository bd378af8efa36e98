"""What a plug says of itself: its options with types, defaults and docs, and a table for the run file."""

import inspect
import json
import re
import types
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

from guerdon.plugs import Plug

PLACEHOLDERS: dict[Any, Any] = {str: "…", Path: "…", bool: True, int: 1, float: 1.0, dict: {}}
BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "min_length": "length ≥", "max_length": "length ≤"}
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def first_line(docstring: str | None) -> str:
    """The first sentence of a docstring: what for."""
    return (inspect.cleandoc(docstring).splitlines() or [""])[0] if docstring else ""


def paragraphs(docstring: str) -> str:
    """A docstring with a line for each paragraph and list item, to be broken where it is shown."""
    lines: list[str] = []
    flows = False
    for line in inspect.cleandoc(docstring).splitlines():
        goes_on = flows and line.strip() and not line.startswith((" ", "- ", "* ", "```"))
        if goes_on:
            lines[-1] += f" {line}"
        else:
            lines.append(line)
        flows = bool(line.strip()) and (goes_on or not line.startswith(" "))
    return "\n".join(lines)


def type_of(field: FieldInfo) -> str:
    """A field's type as a user reads it, with its bounds, as in `float, ≥ 0`."""
    bounds = [
        f"{sign} {getattr(one, name)}"
        for one in field.metadata
        for name, sign in BOUNDS.items()
        if getattr(one, name, None) is not None
    ]
    return ", ".join([_type(field.annotation), *bounds])


def default_of(field: FieldInfo) -> str:
    """A field's default as it would be written in a run file; `required` and `not set` are the others."""
    if field.is_required():
        return "required"
    value = _default(field)
    return "not set" if value is None else toml(value)


def example(plug: type[Plug]) -> str:
    """A TOML table that uses the plug, with every option that has a value."""
    values = {name: _placeholder(f.annotation) if f.is_required() else _default(f) for name, f in _fields(plug)}
    options = {name: value for name, value in values.items() if value is not None}
    required = {name for name, field in _fields(plug) if field.is_required()}
    if plug.kind == "sandbox":
        return f"sandbox = {toml({'use': plug.name, **options})}"
    table = f"rewards.{_key(plug.name)}" if plug.kind == "reward" else plug.kind
    lines = [f"[{table}]", f"use = {toml(plug.name)}"]
    lines += [f"{_key(k)} = {toml(v)}" + ("  # required" if k in required else "") for k, v in options.items()]
    if plug.kind == "reward":
        lines.append('# weight = 1, gate = false and domains = ["…"] are the mixture\'s to read')
    return "\n".join(lines)


def toml(value: Any) -> str:
    """A JSON value as TOML, on one line."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(toml(one) for one in value)}]"
    if isinstance(value, dict):
        pairs = [f"{_key(name)} = {toml(one)}" for name, one in value.items() if one is not None]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    return repr(value)


def _fields(plug: type[Plug]) -> list[tuple[str, FieldInfo]]:
    return [(field.alias or name, field) for name, field in plug.model_fields.items()]


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else toml(name)


def _default(field: FieldInfo) -> Any:
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Plug):
        return {"use": value.name, **value.model_dump(mode="json")}
    return to_jsonable_python(value)


def _placeholder(annotation: Any) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _placeholder(arguments[0])
    if origin in (Union, types.UnionType):
        return _placeholder(arguments[0])
    if origin is Literal:
        return arguments[0]
    if origin is dict:
        return {}
    if origin is not None:
        return [_placeholder(one) for one in arguments[:1]]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next(iter(annotation)).value
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel) and not issubclass(annotation, Plug):
        required = {name: field for name, field in annotation.model_fields.items() if field.is_required()}
        return {name: _placeholder(field.annotation) for name, field in required.items()}
    return PLACEHOLDERS.get(annotation, "…")


def _type(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_type(one) for one in arguments if one is not types.NoneType)
    if origin is Literal:
        return " or ".join(toml(one) for one in arguments)
    if origin is dict or (inspect.isclass(origin) and hasattr(origin, "keys")):
        return f"table of {_type(arguments[1])}"
    if origin is not None:
        return f"list of {_type(arguments[0])}"
    if annotation is Any:
        return "any value"
    if inspect.isclass(annotation):
        if issubclass(annotation, Plug):
            return f"{annotation.kind}: a name, or a table with `use`"
        if issubclass(annotation, Enum):
            return " or ".join(toml(one.value) for one in annotation)
        return "path" if issubclass(annotation, Path) else annotation.__name__
    return str(annotation)
