"""The module that tests import instead of the program."""

import ast
import builtins
import sys
import types
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from typing import Any

from guerdon_code.inside.link import Link
from guerdon_code.inside.names import OF_LIBRARY, bound_in, library, loaded_in, used_as_modules
from guerdon_code.inside.remote import called


class StandIn(types.ModuleType):
    """A module whose names are the program's, asked for whenever a test does."""

    def __init__(self, name: str, link: Link, program: Any, exported: Sequence[str]) -> None:
        super().__init__(name)
        vars(self).update(_link=link, _program=program, __all__=list(exported))

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("__", "pytest", "_pytest")):
            raise AttributeError(name)
        return called(self._link.ask("getattr", self._program, name), name)

    def __dir__(self) -> list[str]:
        return [name for name in self._link.ask("dir", self._program) if type(name) is str]

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:
            self._link.ask("setattr", self._program, name, value)

    def __delattr__(self, name: str) -> None:
        self._link.ask("delattr", self._program, name)


class Finder:
    """Finds the program's stand-in under its names, and empty packages above it where the tests bring none."""

    def __init__(self, names: Sequence[str], module: StandIn, again: Callable[[], object]) -> None:
        self.module = module
        self.names = set(names)
        self.fresh = set(names)
        self.again = again

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Part of the import system."""
        return ModuleSpec(name, self) if name in self.names else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """Part of the import system."""
        return self.module

    def exec_module(self, module: types.ModuleType) -> None:
        """Part of the import system. The first time for each name, the program has been run already."""
        name = module.__name__ if module.__spec__ is None else module.__spec__.name
        if name in self.fresh:
            self.fresh.discard(name)
        else:
            self.again()


class Packages:
    """Finds empty packages above the program, where the tests bring no real ones."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = {name.rpartition(".")[0] for name in names if "." in name}
        self.names |= {name.rpartition(".")[0] for name in self.names if "." in name}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Part of the import system."""
        return ModuleSpec(name, None, is_package=True) if name in self.names else None


def install(
    names: Sequence[str], link: Link, program: Any, tests: Sequence[ast.Module], again: Callable[[], object]
) -> None:
    """Let `import` find the program under these names; `again` runs it once more, for who reloads it."""
    there = exported(link.ask("names", program), names, tests)
    module = StandIn(names[0], link, program, there)
    # The program's `import math` may serve the tests, its own idea of `math` may not.
    for name in set().union(OF_LIBRARY, *map(used_as_modules, tests)).intersection(there):
        if len(there) > 1:
            vars(module)[name] = library(name)
    sys.meta_path.insert(0, Finder(names, module, again))
    sys.meta_path.append(Packages(names))


def exported(public: Any, program: Sequence[str], tests: Sequence[ast.Module]) -> list[str]:
    """What `from program import *` brings into tests: what they use and do not have from elsewhere.

    A builtin is the program's only where the tests use nothing else of it: it must be what they are about.
    """
    there: set[str] = set()
    others = False
    for tree in tests:
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in program]
        stars = [node for node in imports if node.names[0].name == "*"]
        modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        others = others or len(stars) < len(imports) or not modules.isdisjoint(program)
        if stars:
            there |= loaded_in(tree) - bound_in(tree)
    there &= {name for name in public if type(name) is str}
    new = there.difference(vars(builtins))
    return sorted(new or (there if len(there) == 1 and not others else ()))
