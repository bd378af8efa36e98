"""Which names a piece of test code uses, and which it makes itself."""

import ast
import importlib
import sys
from typing import Any


def loaded_in(tree: ast.AST) -> set[str]:
    """The names that are read anywhere."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def bound_in(tree: ast.Module) -> set[str]:
    """The names that its top level makes: by import, definition or assignment."""
    bound: set[str] = set()
    for node in _top_level(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            bound |= _of_star(node.module)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        else:
            bound |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return bound


def _of_star(module: str | None) -> set[str]:
    """What comes with all of a module of the standard library."""
    if module is None or module.partition(".")[0] not in sys.stdlib_module_names:
        return set()
    return public(importlib.import_module(module))


def used_as_modules(tree: ast.AST) -> set[str]:
    """The names of modules of the standard library that are only read for what is in them, as in `math.pi`."""
    used = {
        node.value.id for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    inside = [node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    alone = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node not in inside}
    return (used - alone) & sys.stdlib_module_names


_LIBRARY = {
    "collections": ("Counter", "OrderedDict", "defaultdict", "deque", "namedtuple"),
    "math": ("isclose", "isnan", "isinf", "fabs", "sqrt", "ceil", "floor", "inf", "nan", "pi"),
    "decimal": ("Decimal",),
    "fractions": ("Fraction",),
    "datetime": ("datetime", "timedelta"),
    "itertools": ("permutations", "combinations", "islice", "chain"),
    "functools": ("reduce", "partial"),
    "copy": ("deepcopy",),
}
OF_LIBRARY = {name: module for module, names in _LIBRARY.items() for name in names}
"""What tests use without importing it, because most programs have: the library's, not the program's own idea of it."""
ALIASES = {"np": "numpy", "pd": "pandas"}


def library(name: str) -> Any:
    """A module of the standard library, or what is known by that name out of one. Raises ImportError."""
    if name in OF_LIBRARY:
        return getattr(importlib.import_module(OF_LIBRARY[name]), name)
    return importlib.import_module(ALIASES.get(name, name))


def public(module: Any) -> set[str]:
    """What `from module import *` takes."""
    return set(getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")]))


def _top_level(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements outside of functions and classes, those inside `if`, `try`, `for` and `with` too."""
    found: list[ast.stmt] = []
    for node in body:
        found.append(node)
        for name in ("body", "orelse", "finalbody", "handlers"):
            inner = getattr(node, name, [])
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found += _top_level([one for part in inner for one in getattr(part, "body", [part])])
    return found
