"""What a task's ground truth says: the tests, checked before any program is run."""

import ast
import json
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, NotRequired, TypeAlias

from pydantic import BeforeValidator
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


class Tests(TypedDict):
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


def read(value: Any) -> Any:
    """A ground truth as rows of files hold it: an object, its JSON text, or one with null for what is not there.

    Parquet gives every row the keys of all. Raises ValueError.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise ValueError("is neither an object nor the JSON text of one") from None
    if not isinstance(value, dict):
        return value
    there = {key: one for key, one in value.items() if one is not None}
    if isinstance(there.get("files"), dict):
        there["files"] = {name: text for name, text in there["files"].items() if text is not None}
    for key in ("cases", "calls"):
        for one in there[key] if isinstance(there.get(key), list) else ():
            _known(one, {"cases": Case, "calls": Call}[key], key)
    _known(there, Tests, "it")
    return there


def _known(value: Any, kind: Any, where: str) -> None:
    """Keys beside the known ones are none of our business, unless they look like a known one that is misspelt."""
    known = kind.__annotations__
    for key in value if isinstance(value, dict) else ():
        if key not in known and (close := get_close_matches(key, known, n=1)):
            raise ValueError(f"{where} has the key '{key}', which is not known; did you mean '{close[0]}'?")


Truth: TypeAlias = Annotated[Tests, BeforeValidator(read)]
"""What a ground truth is checked by."""

_KEYS = {"stdio": ("cases",), "function": ("entry_point",), "pytest": ("program_file", "files", "cmd")}
_ONE_OF = ("asserts", "check", "calls")


def checked(ground_truth: Any, languages: Collection[str]) -> Tests:
    """The tests that a ground truth holds, if a program can be judged by them. Raises BadGroundTruth."""
    truth: Tests = read(ground_truth)
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


def _check_function(truth: Tests) -> None:
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


def _check_pytest(truth: Tests) -> None:
    files: Mapping[str, str] = truth["files"]
    _some(files, "files")
    if not (words := truth["cmd"].split()) or words[0] in ("pytest", "python", "python3"):
        raise BadGroundTruth(f"ground_truth.cmd: names what pytest is run on, as in 'test_it.py', not {truth['cmd']!r}")
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
