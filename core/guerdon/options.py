"""From a table of options to a plug, and back. Every mistake is named with its path."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from guerdon import registry
from guerdon.errors import GuerdonError, OptionError, RunFileError, suggestion
from guerdon.plugs import Plug

AnyPlug = TypeVar("AnyPlug", bound=Plug)
AnyModel = TypeVar("AnyModel", bound=BaseModel)


def build(kind: type[AnyPlug], options: Any, where: str) -> AnyPlug:
    """The plug that a name, or a table with `use`, describes.

    Raises RunFileError with every mistake in the table; `where` is the table's path, as in `rewards.code`.
    """
    if isinstance(options, str):
        options = {"use": options}
    if not isinstance(options, Mapping):
        raise RunFileError(where, [OptionError(where, f"expected a name or a table with `use`, got {options!r}")])
    options = dict(options)
    name = options.pop("use", None)
    if not isinstance(name, str):
        raise RunFileError(where, [OptionError(f"{where}.use", f"says which {kind.kind} to use", 'as in `use = "…"`')])
    try:
        plug = registry.load().find(kind, name, f"{where}.use")
        plug.check_needs(f"{where}.use")
    except GuerdonError as error:
        raise RunFileError(where, [error]) from None
    return checked(plug, options, where)


def checked(model: type[AnyModel], options: Mapping[str, Any], where: str) -> AnyModel:
    """A model of options, built from a table of a run file. Raises RunFileError with every mistake in the table."""
    try:
        # TOML has types, so "5" is not taken for 5; the JSON mode still reads a list as a tuple and a string as a path.
        return model.model_validate_json(json.dumps(options, default=str), strict=True)
    except ValidationError as error:
        raise RunFileError(where, _mistakes(error, model, options, where)) from None


def nested(kind: type[AnyPlug], value: Any) -> AnyPlug:
    """A plug for a field typed with a kind: a plug as it is, else its name or table, built."""
    if isinstance(value, kind):
        return value
    try:
        return build(kind, value, "")
    except RunFileError as error:
        raise PydanticCustomError("plug", "{what}", {"what": str(error), "mistakes": error.mistakes}) from None


def _mistakes(
    error: ValidationError, model: type[BaseModel], options: Mapping[str, Any], where: str
) -> list[GuerdonError]:
    mistakes: dict[str, GuerdonError] = {}
    for detail in error.errors(include_url=False):
        for mistake in _named(detail, model, options, where):
            other = mistakes.get(mistake.where)
            # Each member of a union says what it would rather have had.
            if other is not None and mistake.what not in other.what:
                merged = type(other)(other.where, f"{other.what}; or {mistake.what}", other.way_out)
            else:
                merged = mistake
            mistakes[mistake.where] = merged
    return list(mistakes.values())


def _named(detail: Any, model: type[BaseModel], options: Mapping[str, Any], where: str) -> list[GuerdonError]:
    path = ".".join([where, *_place(detail, options)])
    if detail["type"] == "plug":
        return [type(inner)(path + inner.where, inner.what, inner.way_out) for inner in detail["ctx"]["mistakes"]]
    if detail["type"] == "extra_forbidden":
        return [OptionError(path, "no such option", suggestion(str(detail["loc"][-1]), _known(model, detail["loc"])))]
    way_out = f"see `guerdon show {model.name}`" if issubclass(model, Plug) else "see docs/reference/run-file.md"
    if detail["type"] == "missing":
        return [OptionError(path, "is required", way_out)]
    got = "" if _holds_table(detail["input"]) else f", got {detail['input']!r}"
    return [OptionError(path, f"{_lower(detail['msg'])}{got}", way_out)]


def _holds_table(value: Any) -> bool:
    """All options of a table together are no news, and one of them may hold a key by mistake."""
    return isinstance(value, Mapping) or (isinstance(value, list) and any(map(_holds_table, value)))


def _known(model: type[BaseModel], place: Sequence[Any]) -> list[str]:
    """The options of the table that a mistake is in: the model's own, or those of a model inside of it."""
    for part in place[:-1]:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        inner = _models_in(field.annotation) if field is not None else []
        if len(inner) == 1:
            model = inner[0]
    return list(model.model_fields)


def tables_in(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The models, other than plugs, that the options of a model are made of: tables inside of its table."""
    found = dict.fromkeys(one for field in model.model_fields.values() for one in _models_in(field.annotation))
    return list(found)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [] if issubclass(annotation, Plug) else [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]


def _place(detail: Any, options: Mapping[str, Any]) -> list[str]:
    """The keys and indices that lead to the mistake, without pydantic's names for the members of a union."""
    place: list[str] = []
    value: Any = options
    for part in detail["loc"]:
        inside = part in value if isinstance(value, Mapping) else isinstance(value, list) and isinstance(part, int)
        if inside:
            value = value[part]
        elif place and detail["type"] != "missing":
            break
        place.append(str(part))
    return place


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
