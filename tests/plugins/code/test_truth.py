"""Ground truths that nobody could pass, or everybody."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from guerdon import Outcome, Score

Judged = Callable[..., Score]

STDIO: dict[str, Any] = {"kind": "stdio", "language": "python", "cases": [{"input": "", "output": ""}]}
FUNCTION: dict[str, Any] = {"kind": "function", "language": "python", "entry_point": "f", "asserts": ["assert f()"]}
FILES: dict[str, Any] = {
    "kind": "pytest",
    "language": "python",
    "program_file": "solution.py",
    "files": {"test_it.py": "def test(): pass"},
    "cmd": "test_it.py",
}


def without(truth: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in truth.items() if name != key}


@pytest.mark.parametrize(
    ("truth", "says"),
    [
        (None, "the task has no ground truth"),
        ("42", "ground_truth: "),
        ("f(3) is 9", "neither an object nor the JSON text of one"),
        ({**STDIO, "csaes": []}, "the key 'csaes', which is not known; did you mean 'cases'?"),
        (
            {**without(FUNCTION, "asserts"), "calls": [{"args": [], "kwargs": {}, "expected": 1}]},
            "calls has the key 'kwargs', which is not known; did you mean 'args'?",
        ),
        ({**FILES, "cmd": "pytest test_it.py"}, "names what pytest is run on, as in 'test_it.py', not 'pytest test_it"),
        ({**STDIO, "kind": "doctest"}, "ground_truth.kind: "),
        (without(STDIO, "language"), "ground_truth.language: "),
        ({**STDIO, "language": "pyhton"}, "nobody knows how to run 'pyhton'; did you mean 'python'? Or add it"),
        (without(STDIO, "cases"), "ground_truth.cases: tests of the kind stdio need it"),
        ({**STDIO, "cases": []}, "ground_truth.cases: is empty"),
        ({**STDIO, "cases": [{"input": "1"}]}, "ground_truth.cases.0.output: "),
        ({**STDIO, "cases": [{"input": 1, "output": ""}]}, "ground_truth.cases.0.input: "),
        (without(FUNCTION, "entry_point"), "ground_truth.entry_point: "),
        ({**FUNCTION, "entry_point": "f()"}, "'f()' is no name of a function"),
        (without(FUNCTION, "asserts"), "one of asserts, check, calls, not none"),
        (
            {**FUNCTION, "calls": [{"args": [], "expected": 1}]},
            "one of asserts, check, calls, not ['asserts', 'calls']",
        ),
        ({**FUNCTION, "asserts": []}, "ground_truth.asserts: is empty"),
        ({**FUNCTION, "asserts": ["assert f()", "assert f("]}, "ground_truth.asserts.1: is no Python"),
        ({**FUNCTION, "asserts": ["# nothing"]}, "ground_truth.asserts.0: is empty"),
        ({**FUNCTION, "asserts": ["\x00"]}, "ground_truth.asserts.0: is no Python"),
        ({**FUNCTION, "setup": "import"}, "ground_truth.setup: is no Python"),
        ({**without(FUNCTION, "asserts"), "check": "x = 1"}, "defines no function check(candidate)"),
        ({**without(FUNCTION, "asserts"), "calls": []}, "ground_truth.calls: is empty"),
        ({**FUNCTION, "language": "cpp"}, "function tests are for Python only"),
        ({**FUNCTION, "setup": "import no_such_module"}, "No module named 'no_such_module'"),
        ({**FILES, "files": {}}, "ground_truth.files: is empty"),
        ({**FILES, "files": {"test_it.py": "def"}}, "ground_truth.files.test_it.py: is no Python"),
        ({**FILES, "files": {"../test_it.py": ""}}, "'../test_it.py' is no path inside"),
        ({**FILES, "program_file": "/solution.py"}, "'/solution.py' is no path inside"),
        ({**FILES, "program_file": "my-solution.py"}, "'my-solution.py' is no file that can be imported"),
        ({**FILES, "cmd": " "}, "ground_truth.cmd: "),
        ({**FILES, "cmd": "test_other.py"}, "pytest found no test"),
    ],
    ids=lambda value: value[:50] if isinstance(value, str) else "",
)
def test_a_bad_ground_truth_is_named_and_not_scored(judged: Judged, truth: Any, says: str) -> None:
    score = judged("def f(): return 1", truth)
    assert (score.value, score.outcome) == (None, Outcome.BAD_GROUND_TRUTH), score.reason
    assert says in score.reason


def test_other_keys_are_left_alone(judged: Judged) -> None:
    assert judged("pass", {**STDIO, "source": "somewhere"}).value == 1


NOTHING = dict.fromkeys(["cases", "entry_point", "setup", "asserts", "check", "calls", "program_file", "files", "cmd"])


@pytest.mark.parametrize(
    "truth",
    [
        json.dumps({**FUNCTION, "asserts": ["assert f() == 1"]}),
        {**NOTHING, **FUNCTION, "asserts": ["assert f() == 1"]},
        {**NOTHING, **FILES, "files": {"test_it.py": "from solution import f\ndef test(): assert f()", "b.py": None}},
        {**without(FUNCTION, "asserts"), "calls": [{"args": [], "expected": 1}], "difficulty": "easy"},
    ],
    ids=["JSON text", "the columns of other rows", "the files of other rows", "more than we know"],
)
def test_a_ground_truth_is_read_as_files_hold_it(judged: Judged, truth: Any) -> None:
    assert judged("def f(): return 1", truth).value == 1
    assert judged("def f(): return 0", truth).value == 0
