"""Programs that read and print."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from guerdon import Outcome, Score
from guerdon_code.stdio import difference

Judged = Callable[..., Score]
Truth = Callable[..., Mapping[str, Any]]

SUM = "print(sum(map(int, input().split())))"


@pytest.fixture(scope="module")
def sums(stdio: Truth) -> Mapping[str, Any]:
    return stdio(("1 2\n", "3\n"), ("10 -7\n", "3\n"), ("5 20", "25\n"))


def test_a_right_program_earns_one_and_is_told_so(judged: Judged, sums: Mapping[str, Any]) -> None:
    score = judged(SUM, sums)
    assert (score.value, score.reason) == (1, "all 3 cases pass")
    assert score.evidence == {"cases": 3, "passed": 3}


def test_a_wrong_program_is_told_which_case_and_why(judged: Judged, sums: Mapping[str, Any]) -> None:
    score = judged("a, b = map(int, input().split())\nprint(a + abs(b))", sums)
    assert (score.value, score.reason) == (0, "case 2 of 3: expected '3', got '17'")
    assert score.evidence == {"cases": 3, "passed": 1, "case": 1}


def test_the_first_failure_is_the_last_run_unless_shares_are_paid(judged: Judged, sums: Mapping[str, Any]) -> None:
    program = "a, b = map(int, input().split())\nprint(a + b if a != 1 else 4)"
    assert judged(program, sums).evidence["passed"] == 0
    score = judged(program, sums, partial=True)
    assert score.value == pytest.approx(2 / 3)
    assert score.reason == "2 of 3 cases pass; case 1 of 3: expected '3', got '4'"
    assert judged(SUM, sums, partial=True).value == 1


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("print(25)\nraise SystemExit(3)", "it exited with status 3"),
        ("print(25)\nraise ValueError('no such thing')", "it exited with status 1: ValueError: no such thing"),
        ("def f(:", "it exited with status 1: SyntaxError"),
        ("import os\nprint(25, flush=True)\nos.kill(os.getpid(), 6)", "it was ended by the signal SIGABRT"),
        ("print(25)\nprint('x' * 10_000_000)", "it wrote more than 64 KiB"),
        ("import time\nprint(25, flush=True)\ntime.sleep(1000)", "it was not done after"),
        ("while True: pass", "it used up its 1 s of CPU time"),
        ("", "no code in the answer"),
        ("print('été', 1)", "expected '25', got 'été 1' (from token 1 on)"),
        ("import sys\nsys.stdout.buffer.write(b'\\xff\\xfe 25')", "got '\ufffd\ufffd 25'"),
        ("pass", "expected '25', got ''"),
    ],
    ids=lambda value: value[:30],
)
def test_whatever_goes_wrong_is_named(judged: Judged, stdio: Truth, program: str, says: str) -> None:
    score = judged(program, stdio(("3 4\n", "25\n")), sandbox={"use": "process", "timeout": 1})
    assert score.outcome is Outcome.SCORED
    assert score.value == 0
    assert says in score.reason


@pytest.mark.parametrize(
    "program",
    [
        "import os\nprint(sum(map(int, input().split())), flush=True)\nos._exit(0)",
        "import atexit\na = input().split()\natexit.register(lambda: print(int(a[0]) + int(a[1])))",
        "import sys, os\nprint(sum(map(int, open('/dev/stdin').read().split())))\nsys.stderr.write('x' * 3_000_000)",
        "import sys, threading\nsys.setrecursionlimit(10**6)\nthreading.stack_size(256 << 20)\n"
        "def f(n): return n and 1 + f(n - 1)\n"
        "def main(): f(20_000); print(sum(map(int, input().split())))\n"
        "t = threading.Thread(target=main); t.start(); t.join()",
        "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', "
        "'print(sum(map(int, input().split())))'], capture_output=True, text=True).stdout)",
        "print('  ', sum(map(int, input().split())), '\\r\\n\\n')\nexit()",
        "import os\nif os.fork(): os.wait()\nelse: print(sum(map(int, input().split())))",
        "import os, time, sys\nprint(sum(map(int, input().split())), flush=True)\nif os.fork() == 0: time.sleep(60)",
    ],
    ids=["_exit", "atexit", "dev-stdin", "big-stack", "itself", "blanks", "fork", "orphan"],
)
def test_honest_odd_programs_pass(judged: Judged, sums: Mapping[str, Any], program: str) -> None:
    score = judged(program, sums)
    assert score.value == 1, score.reason


@pytest.mark.slow
def test_sleepers_take_no_longer_for_having_many_cases(judged: Judged, stdio: Truth) -> None:
    """Waiting is allowed once: 2 s for all, but for a quarter of a second in each."""
    program = "import time\ntime.sleep(1.6)\nprint(input())"
    score = judged(program, stdio(*[(str(n), str(n)) for n in range(20)]), sandbox={"use": "process", "timeout": 1})
    assert score.value == 0
    assert score.evidence["passed"] == 1
    assert "waiting" in score.reason or "it was not done" in score.reason


@pytest.mark.parametrize(
    ("expected", "got", "says"),
    [
        ("1 2\n3\n", "1  2 3", None),
        ("", " \n", None),
        ("25", "24", "expected '25', got '24'"),
        ("25", "", "expected '25', got ''"),
        ("1 2 3", "1 2", "expected '3', got the end (from token 3 on)"),
        ("1 2", "1 2 3", "expected the end, got '3' (from token 3 on)"),
        ("a b c", "a x c", "expected 'b c', got 'x c' (from token 2 on)"),
        ("1.0", "1", "expected '1.0', got '1'"),
    ],
)
def test_output_is_compared_token_by_token(expected: str, got: str, says: str | None) -> None:
    assert difference(expected, got) == says


def test_reasons_stay_short_whatever_was_printed() -> None:
    assert len(difference("1 " * 100_000, "2 " * 100_000) or "") < 400
    assert len(difference("a" * 1_000_000, "b" * 1_000_000) or "") < 400


def test_output_may_be_as_large_as_what_is_expected_and_its_blanks(judged: Judged, stdio: Truth) -> None:
    program = "print('\\n\\n'.join(map(str, range(200_000))))"
    assert judged(program, stdio(("", " ".join(map(str, range(200_000)))))).value == 1


@pytest.mark.slow
def test_shares_are_not_counted_for_ever(judged: Judged, stdio: Truth) -> None:
    truth = stdio(*[(str(n), str(n)) for n in range(40)])
    program = "n = int(input())\nwhile 3 <= n < 30: pass\nprint(n)"
    score = judged(program, truth, sandbox={"use": "process", "timeout": 1}, partial=True)
    assert score.reason.startswith("3 of 40 cases pass; case 4 of 40: ")
