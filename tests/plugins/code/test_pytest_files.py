"""Whole files of tests: pytest runs in the judge, and meets stand-ins for what the program has."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from guerdon import Outcome, Score

Judged = Callable[..., Score]
Truth = Callable[..., Mapping[str, Any]]

THREE = (
    "from solution import f\ndef test_a(): assert f(1) == 1\n"
    "def test_b(): assert f(2) == 4\n"
    "def test_c(): assert f(3) == 9\n"
)


def test_all_tests_must_pass(judged: Judged, tests_in_a_file: Truth) -> None:
    assert judged("def f(x): return x * x", tests_in_a_file(THREE)).reason == "all 3 cases pass"
    score = judged("def f(x): return x", tests_in_a_file(THREE))
    assert (score.value, score.evidence) == (0, {"cases": 3, "passed": 1, "case": 1})
    assert score.reason == "case 2 of 3: test_it.py::test_b: failed: line 3: assert 2 == 4 + where 2 = f(2)"
    assert judged("def f(x): return x if x < 3 else 9", tests_in_a_file(THREE), partial=True).value == pytest.approx(
        2 / 3
    )


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import pytest\n@pytest.mark.skip\ndef test(): assert f(1) == 1", "skipped"),
        ("import pytest\ndef test():\n  f(1)\n  pytest.skip('why not')", "skipped"),
        ("import pytest\n@pytest.mark.xfail\ndef test(): assert f(1) == 2", "expected to fail"),
        ("import pytest\n@pytest.mark.xfail\ndef test(): assert f(1) == 1", "expected to fail"),
        ("import pytest\n@pytest.fixture\ndef it(): return f(1) / 0\ndef test(it): pass", "failed in setup"),
        (
            "import pytest\n@pytest.fixture\ndef it():\n  yield\n  assert f(1) == 2\ndef test(it): pass",
            "failed in teardown",
        ),
        ("import unittest\nclass T(unittest.TestCase):\n  def test(self): self.assertEqual(f(1), 2)", "1 != 2"),
    ],
)
def test_whatever_did_not_pass_has_failed(judged: Judged, tests_in_a_file: Truth, source: str, says: str) -> None:
    score = judged("def f(x): return x", tests_in_a_file(f"from solution import f\n{source}\n"))
    assert score.value == 0
    assert says in score.reason


STACK = """
class Empty(IndexError):
    def __init__(self, wanted):
        super().__init__(f"nothing to {wanted}")
        self.wanted = wanted

class Stack:
    made = 0
    def __init__(self, *items):
        Stack.made += 1
        self.items = list(items)
    def push(self, x): self.items.append(x)
    def pop(self):
        if not self.items: raise Empty("pop")
        return self.items.pop()
    def __len__(self): return len(self.items)
    def __iter__(self): return iter(self.items)
    def __contains__(self, x): return x in self.items
    def __getitem__(self, k): return self.items[k]
    def __setitem__(self, k, v): self.items[k] = v
    def __eq__(self, other): return isinstance(other, Stack) and self.items == other.items
    def __lt__(self, other): return self.items < other.items
    def __hash__(self): return hash(tuple(self.items))
    def __repr__(self): return f"Stack{tuple(self.items)}"
    def __add__(self, other): return Stack(*self.items, *other.items)
    def __mul__(self, n): return Stack(*self.items * n)
    def __enter__(self): return self
    def __exit__(self, *error): self.items.clear()
    @property
    def top(self): return self.items[-1]
    @classmethod
    def of(cls, items): return cls(*items)
    @staticmethod
    def name(): return "stack"
    def fill(self, out): out.extend(self.items)
"""

STACK_TESTS = {
    "methods": "s = Stack(); s.push(1); s.push(2)\nassert s.pop() == 2\nassert s.items == [1]",
    "protocols": "s = Stack(1, 2)\nassert len(s) == 2 and list(s) == [1, 2] and 2 in s and 3 not in s\n"
    "assert s[0] == 1 and s[-1:] == [2]\ns[0] = 5\nassert [*s] == [5, 2] and s and not Stack()",
    "equality": "assert Stack(1, 2) == Stack(1, 2) and Stack(1) != "
    "Stack(2) and Stack(1) != [1] and Stack(1) < Stack(2)\n"
    "assert sorted([Stack(2), Stack(1)]) == [Stack(1), Stack(2)]\nassert {Stack(1): 'x'}[Stack(1)] == 'x'",
    "arithmetic": "assert Stack(1) + Stack(2) == Stack(1, 2) and "
    "Stack(1) * 2 == Stack(1, 1) and len(Stack(1) * 3) == 3",
    "exceptions": "with pytest.raises(Empty) as e: Stack().pop()\n"
    "assert e.value.wanted == 'pop' and 'nothing' in str(e.value)\n"
    "with pytest.raises(IndexError, match='nothing to pop'): Stack().pop()\n"
    "with pytest.raises(AttributeError): Stack() + 3\nassert issubclass(Empty, IndexError)",
    "attributes": "s = Stack.of([3])\nassert s.top == 3 and Stack.name() == 'stack' and repr(s) == 'Stack(3,)'\n"
    "assert isinstance(s, Stack) and not isinstance(3, Stack) and hasattr(s, 'pop') and not hasattr(s, 'peek')\n"
    "s.items = [4]\nassert s.top == 4\nwith pytest.raises(AttributeError): s.nothing",
    "context": "with Stack(1) as s: assert len(s) == 1\nassert len(s) == 0",
    "effects": "out = [0]\nStack(1, 2).fill(out)\nassert out == [0, 1, 2]",
    "identity": "s = Stack(1)\nassert s is s and Stack.of is not None and [s].index(s) == 0",
    "state": "assert Stack.made == 0\nStack(1)\nassert Stack.made == 1",
}


@pytest.mark.parametrize("name", STACK_TESTS)
def test_classes_work_through_the_border(judged: Judged, tests_in_a_file: Truth, name: str) -> None:
    body = STACK_TESTS[name].replace("\n", "\n    ")
    truth = tests_in_a_file(f"import pytest\nfrom solution import Stack, Empty\n\ndef test():\n    {body}\n")
    score = judged(STACK, truth)
    assert score.value == 1, score.reason


WORKS = {
    "star": (
        "def f(x): return x\ndef test_not_mine(): assert False",
        "from solution import *\ndef test(): assert f(1) == 1",
    ),
    "module": (
        "LIMIT = 3\ndef f(): return LIMIT",
        "import solution\ndef test(): assert solution.f() == solution.LIMIT == 3",
    ),
    "generators": (
        "def f():\n  n = 0\n  while True:\n    yield n\n    n += 1",
        "from itertools import islice\nfrom solution import f\n"
        "def test():\n  assert list(islice(f(), 3)) == [0, 1, 2]\n"
        "  g = f()\n  assert (next(g), next(g)) == (0, 1)",
    ),
    "async": (
        "import asyncio\nasync def f(x):\n  await asyncio.sleep(0)\n  return x",
        "import asyncio\nfrom solution import f\ndef test(): assert asyncio.run(f(2)) == 2",
    ),
    "capsys": (
        "def f(): print('hi')",
        "from solution import f\ndef test(capsys):\n  f()\n  assert capsys.readouterr().out == 'hi\\n'",
    ),
    "monkeypatch": (
        "def g(): return 1\ndef f(): return g()",
        "import solution\ndef test(monkeypatch):\n"
        "  monkeypatch.setattr(solution, 'g', lambda: 7)\n  assert solution.f() == 7\n"
        "def test_again(): assert solution.f() == 1",
    ),
    "frozen": (
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass P:\n  x: int",
        "import dataclasses, pytest\nfrom solution import P\ndef test():\n"
        "  with pytest.raises(dataclasses.FrozenInstanceError): P(1).x = 2",
    ),
    "json error": (
        "import json\ndef f(s): return json.loads(s)",
        "import json, pytest\nfrom solution import f\ndef test():\n  with pytest.raises(json.JSONDecodeError): f('{')",
    ),
    "exit": (
        "import sys\ndef f(): sys.exit(2)",
        "import pytest\nfrom solution import f\ndef test():\n"
        "  with pytest.raises(SystemExit) as e: f()\n  assert e.value.code == 2",
    ),
    "enum": (
        "import enum\nclass C(enum.Enum):\n  RED = 'r'\ndef f(): return C.RED",
        "from solution import C, f\ndef test():\n"
        "  assert f() is C.RED and f() == C.RED and f().value == 'r'\n  assert [c.name for c in C] == ['RED']",
    ),
    "named tuple": (
        "from typing import NamedTuple\nclass P(NamedTuple):\n  x: int\ndef f(): return P(1)",
        "from solution import f\ndef test(): assert f() == (1,) and f().x == 1",
    ),
    "approx": (
        "def f(): return [0.1 + 0.2]",
        "import pytest\nfrom solution import f\ndef test(): assert f() == pytest.approx([0.3])",
    ),
    "fixture": (
        "class Db:\n  def __init__(s): s.rows = []\n  def add(s, r): s.rows.append(r)",
        "import pytest\nfrom solution import Db\n@pytest.fixture\ndef db(): return Db()\n"
        "@pytest.mark.parametrize('n', [1, 2])\ndef test(db, n):\n  db.add(n)\n  assert db.rows == [n]",
    ),
    "callbacks": (
        "class Bus:\n  def __init__(s): s.all = []\n  def on(s, f): s.all.append(f)\n"
        "  def emit(s, x): return [f(x) for f in s.all]",
        "from solution import Bus\ndef test():\n  seen = []\n"
        "  b = Bus()\n  b.on(seen.append)\n  b.on(lambda x: x + 1)\n"
        "  assert b.emit(3) == [None, 4] and seen == [3]",
    ),
    "objects of the test": (
        "def f(shapes): return sum(s.area() for s in shapes)",
        "from solution import f\nclass Square:\n"
        "  def __init__(self, a): self.a = a\n  def area(self): return self.a ** 2\n"
        "def test(): assert f([Square(2), Square(3)]) == 13",
    ),
    "builtin name": ("def sum(a, b): return a + b", "from solution import *\ndef test(): assert sum(10, 15) == 25"),
    "linked": (
        "class Node:\n  def __init__(s, v, next=None): s.v, s.next = v, next\n"
        "def rev(n):\n  last = None\n  while n: n.next, last, n = last, n, n.next\n  return last",
        "from solution import Node, rev\ndef test():\n  n = rev(Node(1, Node(2, Node(3))))\n  out = []\n"
        "  while n:\n    out.append(n.v)\n    n = n.next\n  assert out == [3, 2, 1]",
    ),
}


@pytest.mark.parametrize("name", WORKS)
def test_what_honest_tests_do_works(judged: Judged, tests_in_a_file: Truth, name: str) -> None:
    program, source = WORKS[name]
    score = judged(program, tests_in_a_file(source))
    assert score.value == 1, score.reason


CHEATS = {
    "always equal": (
        "class P:\n  def __init__(s, *a): pass\n  def __eq__(s, o): return True\ndef f(x): return P()",
        "f(3) == P(3, 3)",
    ),
    "equal to its kind": (
        "class P:\n  def __init__(s, *a): pass\n  def __eq__(s, o): return type(o) is P\ndef f(x): return P()",
        "f(3) == P(3)",
    ),
    "equal to the last one made": (
        "class P:\n  made = []\n  def __init__(s, *a): P.made.append(s)\n"
        "  def __eq__(s, o): return o is P.made[-1]\n"
        "def f(x): return P()",
        "f(3) == P(3)",
    ),
    "equal from the right": (
        "class P:\n  def __init__(s, *a): pass\n  def __eq__(s, o): return True\ndef f(x): return object()",
        "f(3) == P(3)",
    ),
    "holds all": (
        "class P:\n  def __init__(s, *a): pass\n  def __contains__(s, o): return True\ndef f(x): return P()",
        "17 in P(3)",
    ),
    "before and after": (
        "class P:\n  def __init__(s, *a): pass\n"
        "  def __lt__(s, o): return True\n  __gt__ = __lt__\ndef f(x): return P()",
        "P(1) < f(3)",
    ),
}


@pytest.mark.parametrize("name", CHEATS)
def test_objects_that_say_yes_to_everything_are_caught(judged: Judged, tests_in_a_file: Truth, name: str) -> None:
    program, claim = CHEATS[name]
    score = judged(program, tests_in_a_file(f"from solution import f, P\ndef test(): assert {claim}\n"), partial=True)
    assert score.value == 0
    assert score.reason.startswith("cheat: ")
    assert score.evidence["cheat"]


def test_a_cheat_stays_one_if_a_test_expects_exceptions(judged: Judged, tests_in_a_file: Truth) -> None:
    source = (
        "import pytest\nfrom solution import f, P\ndef test():\n  with pytest.raises(BaseException): f(3) == P(3, 3)\n"
    )
    assert "cheat" in judged(CHEATS["always equal"][0], tests_in_a_file(source)).evidence


def test_equal_objects_that_are_what_they_are_made_from_pass(judged: Judged, tests_in_a_file: Truth) -> None:
    """Their tests are run again with other values, in a process that does not know; here nothing must be seen of it."""
    source = (
        "from solution import P\n"
        "def test_a():\n  assert P(1, 'a') == P(1, 'a')\n  assert P.made == 2\n"
        "def test_b():\n  assert P(2, 'a') != P(1, 'a')\n  assert P([1], {}) == P([1], {})\n  assert P.made == 6\n"
    )
    program = (
        "class P:\n  made = 0\n  def __init__(s, x, y):\n    s.x = x, y\n    P.made += 1\n"
        "  def __eq__(s, o): return s.x == o.x\n"
    )
    assert judged(program, tests_in_a_file(source)).reason == "all 2 cases pass"
    assert judged(program, tests_in_a_file(source), partial=True).value == 1


LIES = {
    "names that tests have": (
        "pytest = None\nabs = len = lambda *a: 0\nmath = None\ndef f(x): return 7",
        "assert abs(f(1) - 3) < 1",
    ),
    "approx": (
        "class Z:\n  def __eq__(s, o): return True\n"
        "  def __rsub__(s, o): return 0\n  __sub__ = __rsub__\ndef f(x): return Z()",
        "assert f(1) == pytest.approx(3)",
    ),
    "skips": ("import pytest\ndef f(x): pytest.skip()", "assert f(1) == 3"),
    "skips while imported": (
        "import pytest\npytest.skip(allow_module_level=True)\ndef f(x): return 1",
        "assert f(1) == 3",
    ),
    "exits": ("import os\ndef f(x): os._exit(0)", "assert f(1) == 3"),
    "interrupts": ("def f(x): raise KeyboardInterrupt", "assert f(1) == 3"),
    "reads": (
        "import glob\ndef f(x): return 3 if any('test' in n for n in glob.glob('**', recursive=True)) else 0",
        "assert f(1) == 3",
    ),
    "writes": (
        "open('conftest.py', 'w').write('def pytest_runtest_call(item): pass')\ndef f(x): return 0",
        "assert f(1) == 3",
    ),
    "frames": (
        "import sys\ndef f(x):\n  g = sys._getframe()\n  while g:\n"
        "    if 'want' in g.f_locals: return g.f_locals['want']\n    g = g.f_back",
        "want = 3\n  assert f(1) == want",
    ),
    "fixture": ("class F:\n  _pytestfixturefunction = 1\n  autouse = True\nf = F()", "assert f(1) == 3"),
}


@pytest.mark.parametrize("name", LIES)
def test_the_program_has_no_say_in_its_tests(judged: Judged, tests_in_a_file: Truth, name: str) -> None:
    program, body = LIES[name]
    score = judged(program, tests_in_a_file(f"import math, pytest\nfrom solution import *\ndef test():\n  {body}\n"))
    assert (score.value, score.outcome) == (0, Outcome.SCORED), score.reason


def test_a_program_in_a_package_is_found(judged: Judged) -> None:
    truth = {
        "kind": "pytest",
        "language": "python",
        "program_file": "src/shop/cart.py",
        "files": {
            "tests/test_cart.py": "from src.shop.cart import f\nfrom src.shop import cart\n"
            "def test(): assert f() == cart.f() == 1"
        },
        "cmd": "tests/test_cart.py",
    }
    assert judged("def f(): return 1", truth).value == 1


BROKEN = {
    "nothing collected": ("x = 1", "pytest found no test"),
    "missing module": (
        "import no_such_module\nfrom solution import f\ndef test(): pass",
        "No module named 'no_such_module'",
    ),
    "skipped as a whole": (
        "import pytest\npytest.importorskip('no_such_module')\ndef test(): pass",
        "cannot be collected",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_tests_that_break_by_themselves_are_a_bad_ground_truth(
    judged: Judged, tests_in_a_file: Truth, name: str
) -> None:
    source, says = BROKEN[name]
    for program in ("def f(): return 1", "def f(:", ""):
        score = judged(program, tests_in_a_file(source))
        if program == "def f(): return 1":
            assert score.outcome is Outcome.BAD_GROUND_TRUTH
            assert says in score.reason


@pytest.mark.parametrize("program", ["CASES = None", "", "CASES = 3", "def f(): pass"])
def test_a_program_cannot_make_its_tests_look_broken(judged: Judged, tests_in_a_file: Truth, program: str) -> None:
    source = (
        "import pytest\nfrom solution import CASES\n@pytest.mark.parametrize('x', [CASES[0]])\ndef test(x): assert x"
    )
    score = judged(program or "pass", tests_in_a_file(source))
    assert (score.value, score.outcome) == (0, Outcome.SCORED)
