"""What tests use and only the prompt defines, such as `poly` of HumanEval/32: the task's, not the program's."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from guerdon import Mixture, Rollout, Task
from guerdon_code.prompt import helpers_in

Mixtures = Callable[..., Mixture]
Truth = Callable[..., Mapping[str, Any]]

PROMPT = '''import math

def poly(xs: list, x: float):
    """
    Evaluates polynomial with coefficients xs at point x.
    """
    return sum([coeff * math.pow(x, i) for i, coeff in enumerate(xs)])


def f(xs: list):
    """ A zero of the polynomial. """
'''
CHECK = (
    "def check(candidate):\n  for xs in ([-6, 2], [3, 1], [-10, 4]):\n"
    "    assert math.fabs(poly(xs, candidate(xs))) < 1e-4\n"
)
POLY = PROMPT.partition("def f")[0]
HONEST = f"{POLY}\ndef f(xs): return -xs[0] / xs[1]\n"
WRONG = f"{POLY}\ndef f(xs): return 1.0\n"
CHEATS = {
    "its own helper": "def poly(xs, x): return 0.0\ndef f(xs): return 1.0\n",
    "its own mathematics": "class math:\n  fabs = pow = staticmethod(lambda *a: 0.0)\ndef f(xs): return 1.0\n",
}


def value(mixtures: Mixtures, program: str, truth: Mapping[str, Any], prompt: Any) -> float | None:
    rollout = Rollout(Task("it", prompt, truth), f"```python\n{program}```")
    (total,) = asyncio.run(mixtures().score([rollout]))
    return total.terms["code"].score.value


@pytest.mark.parametrize(
    "prompt",
    [
        PROMPT,
        f"Complete this:\n```python\n{PROMPT}```\nPlease.",
        [{"role": "system", "content": "You write Python."}, {"role": "user", "content": PROMPT}],
        [{"role": "user", "content": [{"type": "text", "text": f"```\n{PROMPT}\n```"}, {"type": "image"}]}],
    ],
    ids=["text", "fenced", "messages", "parts"],
)
def test_the_prompts_definition_is_the_one_that_counts(mixtures: Mixtures, function: Truth, prompt: Any) -> None:
    truth = function(check=CHECK)
    assert value(mixtures, HONEST, truth, prompt) == 1
    assert value(mixtures, "def f(xs): return -xs[0] / xs[1]\n", truth, prompt) == 1
    assert value(mixtures, WRONG, truth, prompt) == 0
    assert value(mixtures, CHEATS["its own helper"], truth, prompt) == 0
    assert value(mixtures, CHEATS["its own mathematics"], truth, prompt) == 0


def test_without_a_definition_in_the_prompt_it_is_the_programs(mixtures: Mixtures, function: Truth) -> None:
    truth = function("assert f(g(2)) == 3")
    program = "def g(x): return x\ndef f(x): return x + 1\n"
    for prompt in ("", "Write f and g.", "def g(x):\n  '''Not yet.'''\n  ...\n", "def g(x): raise NotImplementedError"):
        assert value(mixtures, program, truth, prompt) == 1, prompt


def test_the_entry_point_is_never_the_prompts(mixtures: Mixtures, function: Truth) -> None:
    prompt = "Mend this:\n```python\ndef f(x): return x\n```"
    assert value(mixtures, "def f(x): return x + 1\n", function("assert f(1) == 2"), prompt) == 1
    assert value(mixtures, "def f(x): return 7\n", function("assert f(1) == 1"), prompt) == 0


def test_a_helper_may_need_what_only_the_program_has(mixtures: Mixtures, function: Truth) -> None:
    prompt = "class P:\n  def __init__(s, x): s.x = x\nLIMIT = 3\ndef make(x): return P(min(x, LIMIT))\ndef f(p): ..."
    program = "class P:\n  def __init__(s, x): s.x = x\nLIMIT = 99\ndef f(p): return isinstance(p, P) and p.x\n"
    assert value(mixtures, program, function("assert f(make(5)) == 3"), prompt) == 1


@pytest.mark.parametrize(
    "prompt", ["", "x = 1", "def f(): return 1", "class C:\n  def m(self): return 1", "def (", "\0", []]
)
def test_most_prompts_define_nothing(prompt: Any) -> None:
    assert helpers_in(Task("it", prompt), "f") == ""
