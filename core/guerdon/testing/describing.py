"""A plug says what it is, and survives a run file."""

from guerdon.plugs import Plug


def check_description(plug: Plug) -> None:
    """Raise AssertionError if a plug does not say what it is: its name, what for, and what each option is."""
    cls = type(plug)
    if not isinstance(getattr(cls, "name", None), str):
        raise AssertionError(f'{cls.__name__} has no name: write `name: ClassVar[str] = "…"`')
    if not (cls.__doc__ or "").strip():
        raise AssertionError(f"{cls.__name__} has no docstring: `guerdon plugins` shows its first line")
    for name, field in cls.model_fields.items():
        if not field.description:
            raise AssertionError(f"{cls.__name__}.{name} is not documented: write a docstring below it, its manual")


def check_round_trip(plug: Plug) -> None:
    """Raise AssertionError if a plug written to a run file is read as another one."""
    cls = type(plug)
    options = plug.model_dump(mode="json")
    back = cls.model_validate_json(plug.model_dump_json())
    if back.model_dump(mode="json") != options:
        raise AssertionError(
            f"{cls.__name__} does not survive a run file: {options} comes back as {back.model_dump(mode='json')}; "
            "keep to options that JSON can say"
        )
