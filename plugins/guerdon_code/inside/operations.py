"""What the judge may ask to be done with the program's objects, by name."""

import copy
import operator
from collections.abc import Callable
from itertools import islice
from typing import Any

_MISSING = object()


def _listed(values: Any, most: int) -> list[Any]:
    return list(islice(values, most))


def _next(iterator: Any) -> list[Any]:
    value = next(iterator, _MISSING)
    return [] if value is _MISSING else [value]


def _call(function: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    return function(*args, **kwargs)


def _await(awaitable: Any) -> Any:
    import asyncio  # as long as a fork takes, and few need it

    async def wait() -> Any:
        return await awaitable

    return asyncio.run(wait())


def _names(module: Any) -> list[str]:
    """What `from module import *` takes."""
    names = getattr(module, "__all__", None)
    if names is None:
        names = [name for name in vars(module) if not name.startswith("_")]
    return [name for name in names if type(name) is str]


OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": _call,
    "next": _next,
    "listed": _listed,
    "await": _await,
    "names": _names,
    "isinstance": lambda kind, value: isinstance(value, kind),
    "issubclass": lambda kind, other: issubclass(other, kind),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "unlike": lambda value: value == object(),
    "unlike_reflected": lambda value: object() == value,
    **{
        function.__name__: function
        for function in (
            *(getattr, setattr, delattr, len, str, repr, hash, bool, iter, int, float, complex, bytes, dir, format),
            *(abs, round, reversed, divmod, pow),
        )
    },
    **{
        name: getattr(operator, name)
        for name in (
            *("eq", "ne", "lt", "le", "gt", "ge", "contains", "getitem", "setitem", "delitem", "index"),
            *("add", "sub", "mul", "truediv", "floordiv", "mod", "matmul", "lshift", "rshift", "and_", "or_", "xor"),
            *("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "iand", "ior", "ixor", "neg", "pos", "invert"),
        )
    },
}
