"""OpenRLHF's own argument parser, asked without starting OpenRLHF. Runs in the environment that it is installed in.

Its programs build their parser below `if __name__ == "__main__"`. That part of a program's file is run as it stands, up
to the call of `train`, and without the imports at its head, which take half a minute and want a GPU.
"""

import ast
import contextlib
import importlib.machinery
import importlib.util
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType
from typing import Any

LIGHT = ("argparse", "os", "datetime")
"""Imports at the head of a program that its parser needs."""


class _ParserOnly(importlib.machinery.SourceFileLoader):
    """Loads of a program what parses its arguments."""

    def get_code(self, fullname: str) -> CodeType:
        """The code of the light imports, and of the main part without its last call. No cache has part in it."""
        kept: list[ast.stmt] = []
        for node in ast.parse(self.get_data(self.path)).body:
            if isinstance(node, ast.Import | ast.ImportFrom) and _module(node) in LIGHT:
                kept.append(node)
            elif isinstance(node, ast.If) and "__main__" in ast.unparse(node.test):
                kept += [one for one in node.body if not _is_train(one)]
        return compile(ast.Module(kept, []), self.path, "exec")


def parsed(module: str, arguments: Sequence[str]) -> Any:
    """The namespace that the program `module` makes of the arguments. Raises ValueError with what it says of them."""
    parents = module.rpartition(".")[0]
    package = importlib.util.find_spec(parents)
    if package is None or package.submodule_search_locations is None:
        raise ModuleNotFoundError(parents)
    path = str(Path(next(iter(package.submodule_search_locations))) / f"{module.rpartition('.')[2]}.py")
    spec = importlib.util.spec_from_loader("__main__", _ParserOnly("__main__", path), origin=path)
    assert spec is not None
    assert spec.loader is not None
    program = importlib.util.module_from_spec(spec)
    before, said = sys.argv, io.StringIO()
    sys.argv = [module.rpartition(".")[2], *arguments]
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            spec.loader.exec_module(program)
    except SystemExit:
        raise ValueError(said.getvalue().strip().rpartition("error: ")[2] or said.getvalue().strip()) from None
    except (AssertionError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(str(error) or type(error).__name__) from None
    finally:
        sys.argv = before
    return program.args


def _module(node: ast.Import | ast.ImportFrom) -> str:
    return node.module or "" if isinstance(node, ast.ImportFrom) else node.names[0].name


def _is_train(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and ast.unparse(node).startswith("train(")
