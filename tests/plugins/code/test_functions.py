"""Asserts, `check(candidate)` and calls as data: judged by values that have crossed a border."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from guerdon import Outcome, Score

Judged = Callable[..., Score]
Truth = Callable[..., Mapping[str, Any]]


def test_every_assert_is_a_case(judged: Judged, function: Truth) -> None:
    truth = function("assert f(1) == 2", "assert f(2) == 3", "assert f(3) == 4")
    assert judged("def f(x): return x + 1", truth).reason == "all 3 cases pass"
    score = judged("def f(x): return 2 * x", truth)
    assert (score.value, score.reason) == (0, "case 2 of 3: assert f(2) == 3: expected 3, got 4")
    assert judged("def f(x): return x + 1 if x < 3 else 0", truth, partial=True).value == pytest.approx(2 / 3)


def test_the_setup_comes_before_the_program_and_the_asserts(judged: Judged, function: Truth) -> None:
    truth = function("assert math.isclose(f(2), math.sqrt(2))", setup="import math")
    assert judged("def f(x): return math.sqrt(x)", truth).value == 1


def test_a_check_names_the_assert_that_failed(judged: Judged, function: Truth) -> None:
    check = (
        "def check(candidate):\n    for n in range(3):\n"
        "        assert candidate(\n"
        "            n) == n * n, 'no square'\n"
    )
    assert judged("def f(x): return x ** 2", function(check=check)).value == 1
    score = judged("def f(x): return x", function(check=check))
    assert score.reason == "assert candidate( n) == n * n, 'no square': expected 4, got 2"


def test_a_check_finds_other_functions_of_the_program(judged: Judged, function: Truth) -> None:
    check = "def check(candidate):\n    assert candidate(encode('abc')) == 'abc'\n"
    assert judged("def encode(s): return s[::-1]\ndef f(s): return s[::-1]", function(check=check)).value == 1


@pytest.mark.parametrize(
    "case",
    [
        ("def f(n): return (n, [n])", [1], [1, [1]], True),
        ("def f(n): yield n; yield (n,)", [1], [1, [1]], True),
        ("def f(n): return iter([n])", [1], [1], True),
        ("def f(n): return {n: 1}", [2], {"2": 1}, True),
        ("def f(n): return 2.0", [1], 2, True),
        ("def f(n): return '2'", [1], 2, False),
        ("def f(n): return [n]", [1], 1, False),
        ("def f(n): return None", [1], None, True),
        ("def f(n): return {n}", [1], [1], False),
        ("def f(n): return object()", [1], [1], False),
        ("def g(n): return 1", [1], 1, False),
        ("f = 3", [1], 1, False),
        ("def f(n):\n  while True: yield n", [1], [1], False),
    ],
)
def test_calls_are_compared_as_json_data_would_be(
    judged: Judged, function: Truth, case: tuple[str, list[Any], Any, bool]
) -> None:
    program, args, expected, passes = case
    score = judged(program, function(calls=[{"args": args, "expected": expected}]))
    assert score.value == passes, score.reason


def test_a_call_that_fails_is_quoted(judged: Judged, function: Truth) -> None:
    truth = function(calls=[{"args": [1], "expected": 1}, {"args": ["a", [2]], "expected": [1]}])
    assert judged("def f(*a): return len(a)", truth).reason == "case 2 of 2: f('a', [2]): expected [1], got 2"
    assert "f(1): expected 1, but it raised ValueError: no" in judged("def f(*a): raise ValueError('no')", truth).reason


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("exit(0)", "the program raised SystemExit: 0 when it was run"),
        ("def f(:", "the program raised SyntaxError: invalid syntax"),
        ("import os\nos._exit(0)", "the program ended its own process, with status 0"),
        ("import os\ndef f(x): os._exit(3)", "it exited with status 3"),
        ("def f(x): raise KeyboardInterrupt", "it raised KeyboardInterrupt"),
        ("class E(SystemExit): code = 0\ndef f(x): raise E()", "it raised E"),
        ("def f(x): return f(x)", "RecursionError"),
        ("def g(x): return 1", "name 'f' is not defined"),
        ("def f(x): return 'x' * (17 << 20)", "is more than the"),
        ("def f(x): return eval('x' * 5)", "it raised NameError: name 'xxxxx' is not defined"),
        ("def f(x):\n  while True: pass", "it used up its 1 s of CPU time"),
        ("import time\ndef f(x): time.sleep(100)", "it was not done after"),
        ("def f(x): return lambda: 1", "expected 1, got <function f.<locals>.<lambda>"),
        ("def f(x): return __import__('sys').exit", "expected 1, got"),
        ("def f(x): return 10 ** 5000", "that cannot be shown"),
    ],
    ids=lambda value: value[:40],
)
def test_whatever_goes_wrong_is_named(judged: Judged, function: Truth, program: str, says: str) -> None:
    score = judged(program, function("assert f(1) == 1"), sandbox={"use": "process", "timeout": 1})
    assert score.outcome is Outcome.SCORED
    assert score.value == 0
    assert says in score.reason


@pytest.mark.parametrize(
    "program",
    [
        "import sys, os\nprint('x' * 100_000)\nos.write(1, b'raw')\n"
        "sys.stderr.write('n' * 100_000)\ndef f(x): print(x); return x",
        "import sys\nsys.stdout = None\ndef f(x): return x",
        "import sys\nsys.stdout.close()\ndef f(x): return x",
        "import sys\nsys.setrecursionlimit(30_000)\ndef g(n): return n and 1 + g(n - 1)\ndef f(x): g(8_000); return x",
        "from concurrent.futures import ThreadPoolExecutor\ndef f(x):\n"
        "  with ThreadPoolExecutor(3) as e: return list(e.map(abs, [x]))[0]",
        "import subprocess, sys\ndef f(x): return int(subprocess.run([sys.executable, '-c', f'print({x})'], "
        "capture_output=True, text=True).stdout)",
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "@dataclass\nclass P:\n  x: int\ndef f(x): return P(x).x",
        "if __name__ == '__main__':\n  input()\ndef f(x): return x",
        "import enum\nclass N(enum.IntEnum):\n  ONE = 1\ndef f(x): return N(x)",
        "from functools import lru_cache\nf = lru_cache(lambda x: x)",
        "class C:\n  def __call__(self, x): return x\nf = C()",
        "def f(x):\n  global f\n  f = None\n  return x",
        "import os\ndef f(x):\n  if os.fork() == 0: os._exit(0)\n  os.wait()\n  return x",
        "import signal\nsignal.signal(signal.SIGALRM, lambda *a: None)\nsignal.alarm(1)\ndef f(x): return x",
        "class encode: pass\nclass guest: pass\nclass codec: pass\nimport json\ndef f(x): return x",
    ],
    ids=lambda program: program[-30:],
)
def test_honest_odd_programs_pass(judged: Judged, function: Truth, program: str) -> None:
    score = judged(program, function("assert f(1) == 1"))
    assert score.value == 1, score.reason


def test_values_of_all_plain_types_can_be_expected(judged: Judged, function: Truth) -> None:
    program = (
        "from decimal import Decimal\nfrom fractions import Fraction\nfrom collections import *\nimport datetime as d\n"
        "def f(): return [Decimal('1.10'), Fraction(1, 3), d.date(2020, 1, 2), {1, 2}, frozenset('a'), {(1, 2): b'x'}, "
        "range(3), 1 + 2j, Counter('aab'), deque([1]), None, 10 ** 400, float('inf'), int, '\\ud800']"
    )
    expected = program.partition("return ")[2]
    setup = program.partition("def")[0]
    assert judged(program, function(f"assert f() == {expected}", setup=setup)).value == 1


def test_a_result_that_is_used_leaves_the_arguments_alone(judged: Judged, function: Truth) -> None:
    cheat = "def f(x):\n  x.clear()\n  return []"
    score = judged(cheat, function("x = [3, 1]\nassert f(x) == sorted(x)"))
    assert score.reason == "x = [3, 1] assert f(x) == sorted(x): expected [1, 3], got []" or score.value == 0


def test_a_call_for_its_effect_has_it(judged: Judged, function: Truth) -> None:
    truth = function("x, y = [3, 1], {}\nf(x, y)\nassert x == [1, 3] and y == {'n': [2]}")
    assert judged("def f(x, y):\n  x.sort()\n  y['n'] = [len(x)]", truth).value == 1


def test_programs_can_call_what_tests_give_them(judged: Judged, function: Truth) -> None:
    truth = function(
        "assert f(lambda x: 2 * x, [1, 2]) == [2, 4]",
        "assert f(str, [1]) == ['1']",
        "assert f(f, []) == []",
        "assert f(lambda g: g(3), [lambda x: x + 1]) == [4]",
        "assert f(abs, (n for n in (1, -2))) == [1, 2]",
    )
    score = judged("def f(g, xs): return [g(x) for x in xs]", truth)
    assert score.value == 1, score.reason


def test_what_a_test_gives_is_no_way_into_it(judged: Judged, function: Truth) -> None:
    truth = function("secret = 42\nassert f(lambda: 1) == 42")
    for way in (
        "g.__globals__['secret']",
        "g.gi_frame",
        "g.__call__.__self__.__globals__['secret']",
        "g.__code__.co_consts[1]",
    ):
        score = judged(f"def f(g):\n  return {way}", truth)
        assert score.value == 0, way


@pytest.mark.parametrize(
    ("program", "tests"),
    [
        (
            "import math\nmath.isclose = lambda *a: True\ndef f(x): return 7",
            {"setup": "import math", "asserts": ["assert math.isclose(f(1), 1 / 3)"]},
        ),
        ("abs = lambda x: 0\ndef f(x): return 7", {"asserts": ["assert abs(f(1) - 1) < 1e-6"]}),
        (
            "class math:\n  isclose = lambda *a: True\ndef f(x): return 7",
            {"setup": "import math", "asserts": ["assert math.isclose(f(1), 1)"]},
        ),
        (
            "class Z:\n  def __sub__(s, o): return s\n  def __abs__(s): return 0.0\ndef f(x): return Z()",
            {"asserts": ["assert abs(f(1) - 1) < 1e-6"]},
        ),
        (
            "class Z:\n  def __sub__(s, o): return 0.0\ndef f(x): return Z()",
            {"asserts": ["assert abs(f(1) - 1) < 1e-6"]},
        ),
        (
            "class Z:\n  def __isub__(s, o): return s\n  def __abs__(s): return 0.0\ndef f(x): return Z()",
            {"asserts": ["y = f(1)\ny -= 1\nassert abs(y) < 1e-6"]},
        ),
        (
            "class Z:\n  def __sub__(s, o): return set()\n  def __len__(s): return 0\ndef f(x): return Z()",
            {"asserts": ["assert not (f(1) - {1, 2})"]},
        ),
        (
            "class Z(float):\n  def __eq__(s, o): return True\n  def __sub__(s, o): return 0\ndef f(x): return Z(3)",
            {"asserts": ["assert f(1) == 1"]},
        ),
        ("class Z:\n  def __eq__(s, o): return True\ndef f(x): return Z()", {"asserts": ["assert 1 == f(1)"]}),
        (
            "class Z:\n  def __eq__(s, o): return True\n  def __hash__(s): return hash(1)\ndef f(x): return Z()",
            {"asserts": ["assert f(1) in {1, 2}"]},
        ),
        (
            "class Z:\n  def __lt__(s, o): return True\n  __gt__ = __lt__\ndef f(x): return Z()",
            {"asserts": ["assert 0 < f(1) < 2"]},
        ),
        ("class Z:\n  def __ne__(s, o): return False\ndef f(x): return Z()", {"asserts": ["assert not f(1) != 1"]}),
        ("def f(x): return f", {"asserts": ["assert f(1) == 1"]}),
        (
            "class S(str):\n  def __eq__(s, o): return True\n  __hash__ = None\n"
            "  def lower(s): return s\ndef f(x): return S('no')",
            {"asserts": ["assert f(1).lower() == 'yes'"]},
        ),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_nothing_is_gained_by_objects_that_lie(
    judged: Judged, function: Truth, program: str, tests: dict[str, Any]
) -> None:
    score = judged(program, function(**tests))
    assert score.value == 0


def test_a_module_that_only_the_program_imports_is_the_real_one(judged: Judged, function: Truth) -> None:
    truth = function("assert math.isclose(f(4), 2)")
    assert judged("import math\ndef f(x): return math.sqrt(x)", truth).value == 1
    assert judged("class math:\n  isclose = lambda *a: True\ndef f(x): return 7", truth).value == 0
    assert "'math' is not defined" in judged("def f(x): return x ** 0.5", truth).reason


def test_the_end_of_iteration_is_no_way_out_of_a_loop(judged: Judged, function: Truth) -> None:
    truth = function(check="def check(candidate):\n  for x, y in zip(map(candidate, [1, 2]), [1, 4]): assert x == y\n")
    assert judged("def f(x): return x * x", truth).value == 1
    for error in ("StopIteration", "type('E', (StopIteration,), {})", "StopAsyncIteration", "GeneratorExit"):
        score = judged(f"def f(x): raise {error}", truth)
        assert score.value == 0, error


@pytest.mark.parametrize(
    "container",
    [
        "return True",
        "return x != 'no'",
        "return x >= 0",
        "C.asked += 1; return 1",
    ],
)
def test_a_container_of_everything_holds_nothing(judged: Judged, function: Truth, container: str) -> None:
    program = f"class C:\n  asked = 0\n  def __contains__(s, x): {container}\ndef f(x): return C()"
    score = judged(program, function("assert 5 in f(5)", "assert 7 in f(7)", "assert 9 in f(9)"))
    assert score.value == 0


def test_honest_containers_hold_what_they_hold(judged: Judged, function: Truth) -> None:
    program = (
        "class Span:\n  def __init__(s, a, b): s.a, s.b = a, b\n  def __contains__(s, x): return s.a <= x <= s.b\n"
        "class Words:\n  def __init__(s, *w): s.w = w\n  def __contains__(s, x): return x.lower() in s.w\nf = Span"
    )
    truth = function(
        "assert 5 in Span(1, 10) and 0 not in Span(1, 10)", "assert 'One' in Words('one') and 'two' not in Words('one')"
    )
    assert judged(program, truth).value == 1


def test_builtins_are_the_programs_only_where_they_are_the_entry_point(judged: Judged, function: Truth) -> None:
    truth = function("assert sum(10, 15) == 25", entry_point="sum")
    assert judged("def sum(a, b): return a + b", truth).value == 1


@pytest.mark.parametrize(
    "program",
    [
        "import os, threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.05), os._exit(0))).start()\ndef f(): time.sleep(5)",
        "import os\ndef __getattr__(name): os._exit(0)",
        "def __getattr__(name): raise SystemExit(0)",
        "import os\ndef f(): os._exit(0)",
    ],
)
def test_an_end_is_no_way_out_whatever_a_test_catches(judged: Judged, function: Truth, program: str) -> None:
    check = "def check(candidate):\n  try: f()\n  except BaseException: pass\n"
    score = judged(program, function(check=check))
    assert (score.value, score.outcome) == (0, Outcome.SCORED), score.reason


def test_forged_messages_are_a_cheat_with_evidence(judged: Judged, function: Truth) -> None:
    forger = (
        "import os\nfor fd in range(3, 200):\n  try: os.write(fd, b'\\0\\0\\0\\5hello')\n"
        "  except OSError: pass\ndef f(): return 1"
    )
    score = judged(forger, function("assert f() == 1"), partial=True)
    assert score.value == 0
    assert score.reason.startswith("cheat: ")
    assert score.reason == f"cheat: {score.evidence['cheat']}"


def test_an_answer_before_the_question_is_a_cheat(judged: Judged, function: Truth) -> None:
    forger = (
        "import gc, sys\n"
        "guest = next(o for o in gc.get_objects() if type(o).__name__ == 'Guest')\n"
        "channel = guest.channel\n"
        "def f():\n"
        "  n = sys._getframe(2).f_locals['number']\n"
        '  for k in range(5): channel.send(b\'[%d,"value",1,"",null]\' % (n + k))\n'
        "  return 2\n"
    )
    score = judged(forger, function("assert f() == 1", "assert f() == 1"))
    assert score.value == 0
    assert "cheat" in score.evidence
