"""Programs that mean well, of all the sorts that models write, and as many that only look right."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guerdon import Mixture, Outcome, Rollout, Score, Task, Term
from guerdon_code import UnitTests

pytestmark = [pytest.mark.slow, pytest.mark.docker]

HERE = Path(__file__).parent / "honest"
WORDS = ("alpha beta\r\n" * 500_000, "1000000\n")
BIG = {
    "ten megabytes": (
        "python",
        "import sys\nprint(len(sys.stdin.read().split()))",
        WORDS,
    ),
    "ten megabytes by fread": (
        "c",
        "#include <stdio.h>\nstatic char b[1 << 16];\nint main(void) { long n = 0, in = 0; size_t got;\n"
        "while ((got = fread(b, 1, sizeof b, stdin)) > 0) for (size_t i = 0; i < got; i++) {\n"
        "int w = b[i] > ' '; n += w && !in; in = w; }\nprintf(\"%ld\\n\", n); }",
        WORDS,
    ),
    "ten megabytes that nobody reads": ("python", "print(1000000)", WORDS),
    "a million numbers by cin": (
        "cpp",
        "#include <iostream>\nint main() { std::ios::sync_with_stdio(false); long long s = 0, x;\n"
        "while (std::cin >> x) s += x; std::cout << s; }",
        ("123456789 " * 1_000_000, "123456789000000"),
    ),
    "a million lines of output": (
        "python",
        "n = int(input())\nfor i in range(n): print(i)",
        ("300000\n", "\n".join(map(str, range(300_000)))),
    ),
    "a recursion of a million": (
        "cpp",
        "#include <cstdio>\nint f(int n) { volatile int x = n; return n ? 1 + f(n - 1) + (x - n) : 0; }\n"
        'int main() { int n; scanf("%d", &n); printf("%d", f(n)); }',
        ("1000000", "1000000"),
    ),
    "carriage returns": ("python", "a = input(); b = input()\nprint(int(a) + int(b))", ("1\r\n2\r\n", "3\r\n")),
    "no newline at the end": (
        "cpp",
        "#include <iostream>\nint main() { int x; std::cin >> x; std::cout << x; }",
        ("7", "7"),
    ),
    "an empty input": ("python", "import sys\nprint(repr(sys.stdin.read()))", ("", "''")),
    "an empty output": ("python", "input()", ("x\n", "")),
    "a zero byte": ("python", "import sys\nprint(sys.stdin.buffer.read().count(0))", ("a\0b\0", "2")),
    "what is no text": (
        "python",
        "import sys\nsys.stdin.buffer.read(); sys.stdout.buffer.write(b'\\xff\\xfe ok')",
        ("\udcff", "\ufffd\ufffd ok"),
    ),
}


def sections(file: str) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Name, what is said of it, and the parts, the first of which is the program."""
    for text in re.split(r"^#### ", (HERE / file).read_text(), flags=re.MULTILINE)[1:]:
        head, _, rest = text.partition("\n")
        name, _, last = head.rpartition(" ")
        first, *others = re.split(r"^## ", rest, flags=re.MULTILINE)
        parts = [one.partition("\n")[::2] for one in others]
        yield name, last, [("program", first), *parts]


def records() -> Iterator[tuple[str, str, dict[str, Any], bool]]:
    """Name, program, ground truth and what it must earn."""
    for file in ("stdio", "functions", "pytest"):
        for name, said, parts in sections(f"{file}.txt"):
            truth = {"stdio": of_stdio, "functions": of_function, "pytest": of_files}[file](said, parts)
            for kind, text in parts:
                if kind in ("program", "wrong"):
                    yield f"{file}: {name}{', wrong' if kind == 'wrong' else ''}", text, truth, kind == "program"
    for line in (HERE / "others.jsonl").read_text().splitlines():
        one = json.loads(line)
        yield (
            f"others: {one['name']}",
            one["program"],
            {"kind": one["kind"], "language": "python", **one["tests"]},
            True,
        )
    for name, (language, program, (given, wanted)) in BIG.items():
        truth = {"kind": "stdio", "language": language, "cases": [{"input": given, "output": wanted}]}
        yield name, program, truth, True


def of_stdio(language: str, parts: list[tuple[str, str]]) -> dict[str, Any]:
    given, wanted = ([text for kind, text in parts if kind == which] for which in ("in", "out"))
    cases = [{"input": one, "output": other} for one, other in zip(given, wanted, strict=True)]
    return {"kind": "stdio", "language": language, "cases": cases}


def of_function(entry: str, parts: list[tuple[str, str]]) -> dict[str, Any]:
    there = dict(parts)
    tests: dict[str, Any] = {"setup": there.get("setup", "")}
    if "asserts" in there:
        tests["asserts"] = there["asserts"].strip().split("\n")
    else:
        tests["check"] = there["check"]
    return {"kind": "function", "language": "python", "entry_point": entry, **tests}


def of_files(program_file: str, parts: list[tuple[str, str]]) -> dict[str, Any]:
    files = {kind.removeprefix("file "): text for kind, text in parts if kind.startswith("file ")}
    cmd = " ".join(name for name in files if name.rpartition("/")[2].startswith("test_"))
    return {"kind": "pytest", "language": "python", "program_file": program_file, "files": files, "cmd": cmd}


RECORDS = list(records())


@pytest.fixture(scope="module", params=[10, 3], ids=["10 s", "3 s"])
def scores(request: pytest.FixtureRequest) -> dict[str, Score]:
    """What all of them earn, judged two at a time."""
    sandbox: Any = {"use": "docker", "timeout": request.param, "size": 2}
    rollouts = [Rollout(Task(name, "", truth), f"```\n{text}\n```") for name, text, truth, _ in RECORDS]
    with Mixture([Term("code", UnitTests(sandbox=sandbox))]) as mixture:
        totals = mixture.submit(rollouts).result(timeout=900)
    return {name: total.terms["code"].score for (name, *_), total in zip(RECORDS, totals, strict=True)}


def test_names_are_told_apart() -> None:
    assert len({name for name, *_ in RECORDS}) == len(RECORDS) > 200


def test_every_verdict_is_right(scores: dict[str, Score]) -> None:
    wrong = {
        name: scores[name].reason
        for name, _, _, passes in RECORDS
        if (scores[name].value, scores[name].outcome) != (float(passes), Outcome.SCORED)
    }
    assert wrong == {}


def test_nobody_is_taken_for_a_cheat(scores: dict[str, Score]) -> None:
    assert [name for name, score in scores.items() if "cheat" in score.evidence] == []
