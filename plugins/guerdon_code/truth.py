"""What a task's ground truth says: the tests, checked before any program is run."""

import ast
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from guerdon import BadGroundTruth


class Case(TypedDict):
    """What a program reads, and what it must then print."""

    input: str
    output: str


class Call(TypedDict):
    """The arguments of a call, and what it must return."""

    args: list[Any]
    expected: Any


class Truth(TypedDict):
    """The tests of a task. Which keys there must be depends on `kind`."""

    kind: Literal["stdio", "function", "pytest"]
    language: str
    cases: NotRequired[list[Case]]
    """stdio"""
    entry_point: NotRequired[str]
    """function, with one of `asserts` (and perhaps `setup`), `check` and `calls`"""
    setup: NotRequired[str]
    asserts: NotRequired[list[str]]
    check: NotRequired[str]
    calls: NotRequired[list[Call]]
    program_file: NotRequired[str]
    """pytest, with `files` and `cmd`"""
    files: NotRequired[dict[str, str]]
    cmd: NotRequired[str]


_KEYS = {"stdio": ("cases",), "function": ("entry_point",), "pytest": ("program_file", "files", "cmd")}
_ONE_OF = ("asserts", "check", "calls")


def checked(truth: Truth, languages: Collection[str]) -> Truth:
    """The truth itself, if a program can be judged by it. Raises BadGroundTruth."""
    kind = truth["kind"]
    if truth["language"] not in languages:
        close = get_close_matches(truth["language"], languages, n=1)
        known = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(languages)}."
        raise BadGroundTruth(
            f"ground_truth.language: nobody knows how to run '{truth['language']}'; {known} "
            "Or add it to `languages` of unit-tests"
        )
    for key in _KEYS[kind]:
        if key not in truth:
            raise BadGroundTruth(f"ground_truth.{key}: tests of the kind {kind} need it")
    if kind == "stdio":
        _some(truth["cases"], "cases")
        return truth
    if truth["language"] != "python":
        raise BadGroundTruth(f"ground_truth.kind: {kind} tests are for Python only; use stdio for others")
    _check_function(truth) if kind == "function" else _check_pytest(truth)
    return truth


def _check_function(truth: Truth) -> None:
    given = [key for key in _ONE_OF if key in truth]
    if len(given) != 1:
        raise BadGroundTruth(f"ground_truth: function tests have one of {', '.join(_ONE_OF)}, not {given or 'none'}")
    if not truth["entry_point"].isidentifier():
        raise BadGroundTruth(f"ground_truth.entry_point: '{truth['entry_point']}' is no name of a function")
    _parsed(truth.get("setup", ""), "setup")
    if "asserts" in truth:
        _some(truth["asserts"], "asserts")
        for number, source in enumerate(truth["asserts"]):
            if not _parsed(source, f"asserts.{number}").body:
                raise BadGroundTruth(f"ground_truth.asserts.{number}: is empty")
    elif "calls" in truth:
        _some(truth["calls"], "calls")
    else:
        tree = _parsed(truth["check"], "check")
        if not any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in tree.body):
            raise BadGroundTruth("ground_truth.check: defines no function check(candidate)")


def _check_pytest(truth: Truth) -> None:
    files: Mapping[str, str] = truth["files"]
    _some(files, "files")
    if not truth["cmd"].strip():
        raise BadGroundTruth("ground_truth.cmd: names no file to run pytest on")
    for name in (truth["program_file"], *files):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.name:
            raise BadGroundTruth(f"ground_truth.files: '{name}' is no path inside of a directory")
    path = PurePosixPath(truth["program_file"])
    if path.suffix != ".py" or not all(part.isidentifier() for part in path.with_suffix("").parts):
        raise BadGroundTruth(f"ground_truth.program_file: '{path}' is no file that can be imported")
    for name, source in files.items():
        if name.endswith(".py"):
            _parsed(source, f"files.{name}")


def _some(values: Any, key: str) -> None:
    if not values:
        raise BadGroundTruth(f"ground_truth.{key}: is empty, so that every program would pass")


def _parsed(source: str, key: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadGroundTruth(f"ground_truth.{key}: is no Python: {error}") from None
