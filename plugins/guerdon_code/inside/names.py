"""Which names a piece of test code uses, and which it makes itself."""

import ast
import sys


def loaded_in(tree: ast.AST) -> set[str]:
    """The names that are read anywhere."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}


def bound_in(tree: ast.Module) -> set[str]:
    """The names that its top level makes: by import, definition or assignment."""
    bound: set[str] = set()
    for node in _top_level(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            bound.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        else:
            bound |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    return bound


def used_as_modules(tree: ast.AST) -> set[str]:
    """The names of modules of the standard library that are only read for what is in them, as in `math.pi`."""
    used = {
        node.value.id for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    inside = [node.value for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    alone = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and node not in inside}
    return (used - alone) & sys.stdlib_module_names


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
