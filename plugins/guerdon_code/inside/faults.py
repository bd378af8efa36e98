"""Exceptions as plain values: which class, what it extends, what it says."""

import builtins
import importlib
from typing import Any

# Exceptions of the standard library that tests ask for by their own names.
_LIBRARY = {
    "json.decoder": ("JSONDecodeError",),
    "dataclasses": ("FrozenInstanceError",),
    "decimal": ("DecimalException", "InvalidOperation", "DivisionByZero", "Inexact", "Overflow"),
    "queue": ("Empty", "Full"),
    "_queue": ("Empty",),
    "re": ("error", "PatternError"),
    "re._constants": ("error",),
    "struct": ("error",),
    "zlib": ("error",),
    "binascii": ("Error",),
    "csv": ("Error",),
    "_csv": ("Error",),
    "configparser": ("Error", "NoSectionError", "NoOptionError"),
    "subprocess": ("CalledProcessError", "TimeoutExpired"),
    "asyncio.exceptions": ("CancelledError", "InvalidStateError"),
}

BUILTIN = {
    name: value
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException) and value.__name__ == name
}


def known(kind: type[BaseException]) -> list[str] | None:
    """Module and name of an exception class that judge and guest both have."""
    if BUILTIN.get(kind.__name__) is kind:
        return ["builtins", kind.__name__]
    if kind.__name__ in _LIBRARY.get(kind.__module__, ()):
        return [kind.__module__, kind.__name__]
    return None


def found(module: Any, name: Any) -> type[BaseException]:
    """The exception class of that module and name. Raises LookupError for any that is not known."""
    if module == "builtins":
        return BUILTIN[name]
    if name not in _LIBRARY[module]:
        raise LookupError(name)
    kind = getattr(importlib.import_module(module), name)
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        raise LookupError(name)
    return kind
