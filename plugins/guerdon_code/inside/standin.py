"""The module that tests import instead of the program."""

import ast
import builtins
import importlib
import sys
import types
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from typing import Any

from guerdon_code.inside.link import Link
from guerdon_code.inside.names import bound_in, loaded_in, used_as_modules


class StandIn(types.ModuleType):
    """A module whose names are the program's, asked for whenever a test does."""

    def __init__(self, name: str, link: Link, program: Any, exported: Sequence[str]) -> None:
        super().__init__(name)
        vars(self).update(_link=link, _program=program, __all__=list(exported))

    def __getattr__(self, name: str) -> Any:
        if name.startswith(("__", "pytest", "_pytest")):
            raise AttributeError(name)
        return self._link.ask("getattr", self._program, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__"):
            super().__setattr__(name, value)
        else:
            self._link.ask("setattr", self._program, name, value)

    def __delattr__(self, name: str) -> None:
        self._link.ask("delattr", self._program, name)


class Finder:
    """Finds the program's stand-in under its names, and empty packages above it where the tests bring none."""

    def __init__(self, names: Sequence[str], module: StandIn) -> None:
        self.module = module
        self.names = set(names)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Part of the import system."""
        return ModuleSpec(name, self) if name in self.names else None  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """Part of the import system."""
        return self.module

    def exec_module(self, module: types.ModuleType) -> None:
        """Part of the import system."""


class Packages:
    """Finds empty packages above the program, where the tests bring no real ones."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = {name.rpartition(".")[0] for name in names if "." in name}
        self.names |= {name.rpartition(".")[0] for name in self.names if "." in name}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Part of the import system."""
        return ModuleSpec(name, None, is_package=True) if name in self.names else None


def install(names: Sequence[str], link: Link, program: Any, tests: Sequence[ast.Module]) -> None:
    """Let `import` find the program under these names."""
    there = exported(link.ask("names", program), tests)
    module = StandIn(names[0], link, program, there)
    # The program's `import math` may serve the tests, its own idea of `math` may not.
    for name in set().union(*map(used_as_modules, tests)).intersection(there):
        vars(module)[name] = importlib.import_module(name)
    sys.meta_path.insert(0, Finder(names, module))
    sys.meta_path.append(Packages(names))


def exported(public: Any, tests: Sequence[ast.Module]) -> list[str]:
    """What `from program import *` brings into tests: what they use and do not have from elsewhere.

    A builtin is the program's only where the tests use nothing else of it: it must be what they are about.
    """
    used, own = set().union(*map(loaded_in, tests)), set().union(*map(bound_in, tests))
    there = sorted({name for name in public if type(name) is str} & (used - own))
    new = [name for name in there if name not in vars(builtins)]
    return new or there
