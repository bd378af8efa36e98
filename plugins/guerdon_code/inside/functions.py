"""Function tests: asserts, `check(candidate)`, and calls with their results as data."""

import __future__

import ast
import builtins
from collections.abc import Callable
from functools import partial
from typing import Any

from guerdon_code.inside.controls import has
from guerdon_code.inside.link import Cheat, Gone, Link
from guerdon_code.inside.names import ALIASES, OF_LIBRARY, bound_in, library, loaded_in, used_as_modules
from guerdon_code.inside.remote import Remote, called
from guerdon_code.inside.report import Report, shown, told

MOST_LISTED = 10_000_000
"""Values of an iterator that are listed."""
_LEFT, _RIGHT = "_guerdon_left", "_guerdon_right"


def judged(link: Link, job: dict[str, Any]) -> Report:
    """The report on a program. `job`: module, source, helpers, tests, all_cases."""
    tests = job["tests"]
    setup = tests.get("setup", "")
    report = Report(cases=len(tests.get("asserts") or tests.get("calls") or [None]))
    namespace = _Names({"__name__": "tests"})
    helpers = _defined(job["helpers"], namespace)
    try:
        if setup:
            exec(compile(setup, "setup", "exec"), namespace)
    except Exception as error:
        report.bad_tests = f"ground_truth.setup raised {told(error)}"
        return report
    link.test_modules = {"tests"}
    try:
        program = link.ask("load", job["module"], job["source"], setup)
        cases = _Cases(link, program, tests, namespace).prepared(helpers)
    except Gone as error:
        report.failed(0, str(error))
        return report
    except Cheat:
        return report
    except BaseException as error:
        report.failed(0, f"the program raised {told(error)} when it was run")
        return report
    for case, run in enumerate(cases):
        try:
            why = run() or link.gone
        except Gone as error:
            why = str(error)
        except Cheat:
            return report
        if why is None:
            report.passed += 1
            continue
        report.failed(case, why)
        if link.gone or not job["all_cases"]:
            break
    return report


class _Cases:
    """The cases of a function test, each something to call that returns why it failed."""

    def __init__(self, link: Link, program: Any, tests: dict[str, Any], namespace: "_Names") -> None:
        self.link = link
        self.program = program
        self.tests = tests
        self.namespace = namespace
        self.entry = tests["entry_point"]

    def prepared(self, helpers: ast.Module) -> list[Callable[[], str | None]]:
        if "calls" in self.tests:
            return [partial(self.called, call) for call in self.tests["calls"]]
        sources = [self.tests["check"]] if "check" in self.tests else self.tests["asserts"]
        trees = [_watched(ast.parse(source)) for source in sources]
        self.bind(trees, helpers)
        return [partial(self.run, tree, source) for tree, source in zip(trees, sources, strict=True)]

    def called(self, call: dict[str, Any]) -> str | None:
        said = f"{self.entry}({', '.join(shown(one) for one in call['args'])})"
        expected = call["expected"]
        try:
            function = self.link.ask("getattr", self.program, self.entry)
            got = function(*call["args"])
            if isinstance(got, Remote) and has(got, "__next__"):
                got = self.link.ask("listed", got, MOST_LISTED)
            if same_data(got, expected):
                return None
        except (Cheat, Gone):
            raise
        except BaseException as error:
            return f"{said}: expected {shown(expected)}, but it raised {told(error)}"
        return f"{said}: expected {shown(expected)}, got {shown(got)}"

    def run(self, tree: ast.Module, source: str) -> str | None:
        try:
            exec(compile(tree, "tests", "exec"), self.namespace)
            if "check" in self.tests:
                exec(compile(f"check({self.entry})", "check", "exec"), self.namespace)
        except BaseException as error:
            if isinstance(error, Cheat | Gone):
                raise
            return _why(error, source)
        return None

    def bind(self, trees: list[ast.Module], helpers: ast.Module) -> None:
        """Give the tests what they use of the program, but neither builtins nor what they have themselves."""
        used, own = loaded_in(helpers).union(*map(loaded_in, trees)), set().union(*map(bound_in, trees))
        wanted = used - own - set(vars(builtins)) - set(self.namespace)
        modules = set().union(*map(used_as_modules, trees))
        for name in [*sorted(wanted - {self.entry}), self.entry]:
            try:
                value = self.link.ask("getattr", self.program, name)
            except Exception:
                continue  # where it is missed, a NameError will say so
            # The program's `import math` may serve the tests, its own idea of `math` may not.
            if name != self.entry and (name in modules or name in OF_LIBRARY or name in ALIASES):
                try:
                    value = library(name)
                except ImportError:
                    continue
            elif not isinstance(value, Remote | BaseException | type):
                self.namespace.live[name] = partial(self.link.ask, "getattr", self.program, name)
            about_classes = name != self.entry or getattr(value, "_guerdon_kind", None) == "class"
            self.namespace[name] = called(value, name) if about_classes else value


class _Names(dict[str, Any]):
    """The globals of the tests. The program's plain values are copies, so they are asked for whenever one is read."""

    def __init__(self, names: dict[str, Any]) -> None:
        super().__init__(names)
        self.live: dict[str, Callable[[], Any]] = {}

    def __getitem__(self, name: str) -> Any:
        return self.live[name]() if name in self.live else super().__getitem__(name)


def _defined(helpers: str, namespace: dict[str, Any]) -> ast.Module:
    """Define what the task's prompt does, as far as that goes without the rest of it."""
    tree = ast.parse(helpers)
    for node in tree.body:
        try:
            exec(compile(ast.Module([node], []), "prompt", "exec", __future__.annotations.compiler_flag), namespace)
        except Exception:
            continue  # then it is the program's
    return tree


def same_data(got: Any, expected: Any) -> bool:
    """Whether a result is what JSON data says: a tuple is a list there, and keys are strings."""
    if isinstance(expected, list):
        return (
            isinstance(got, list | tuple)
            and len(got) == len(expected)
            and all(same_data(*pair) for pair in zip(got, expected, strict=True))
        )
    if isinstance(expected, dict):
        if not isinstance(got, dict) or len(got) != len(expected):
            return False
        named = {_key(key): value for key, value in got.items()}
        return named.keys() == expected.keys() and all(same_data(named[key], expected[key]) for key in expected)
    if isinstance(got, Remote):
        return False
    return bool(got == expected)


def _key(key: Any) -> Any:
    """A key as JSON writes it."""
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    return str(key) if isinstance(key, int | float) else key


def _watched(tree: ast.Module) -> ast.Module:
    """The same tests, with both sides of every `assert left == right` kept for the reason."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare) and len(node.test.ops) == 1:
            compared = node.test
            compared.left = ast.NamedExpr(ast.Name(_LEFT, ast.Store()), compared.left)
            compared.comparators = [ast.NamedExpr(ast.Name(_RIGHT, ast.Store()), compared.comparators[0])]
    return ast.fix_missing_locations(tree)


def _why(error: BaseException, source: str) -> str:
    """Which assert failed, what was expected and what was there."""
    line, seen = None, {}
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "tests":
            line, seen = trace.tb_lineno, trace.tb_frame.f_locals
        trace = trace.tb_next
    if line is None:
        return told(error)
    quoted, compared = _statement(source, line)
    if not isinstance(error, AssertionError) or vars(error).get("_guerdon_from_program"):
        return f"{quoted}: it raised {told(error)}"
    if compared and _LEFT in seen and _RIGHT in seen:
        return f"{quoted}: expected {shown(seen[_RIGHT])}, got {shown(seen[_LEFT])}"
    return quoted if not str(error) else f"{quoted}: {told(error)}"


def _statement(source: str, line: int) -> tuple[str, bool]:
    """The innermost statement around a line, shortened, and whether it asserts that two things are equal."""
    best: ast.stmt | None = None
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    for node in statements:
        around = node.lineno <= line <= (node.end_lineno or line)
        if around and (best is None or node.lineno >= best.lineno):
            best = node
    text = " ".join(((best and ast.get_source_segment(source, best)) or source).split())
    compared = (
        isinstance(best, ast.Assert)
        and isinstance(best.test, ast.Compare)
        and len(best.test.ops) == 1
        and isinstance(best.test.ops[0], ast.Eq)
    )
    return (text if len(text) <= 200 else text[:199] + "…"), compared
