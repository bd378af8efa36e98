"""Hostile answers: each is judged within the budget of a worker, whatever it holds."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from guerdon import Score
from guerdon_math.judge import judge

HOSTILE: dict[str, tuple[str, str]] = {
    "minus signs": ("17", "-" * 4001 + "17"),
    "roots": ("3", r"\sqrt{" * 50 + "2" + "}" * 50),
    "deep roots": ("3", r"\sqrt{" * 20_000 + "2" + "}" * 20_000),
    "continued fraction": ("2", r"\frac{1}{1+" * 5_000 + "x" + "}" * 5_000),
    "power tower": ("42", "10^{10^{10^{10}}}"),
    "factorial of a power": ("42", "10^{10^{10}}!"),
    "factorials": ("42", "5" + "!" * 500),
    "expansion": ("42", "(1+x)^{1000000}"),
    "many variables": ("42", "(a+b+c+d+e+f+g+h)^{20}"),
    "many factors": ("1", "".join(f"(x_{{{i}}}+1)" for i in range(150))),
    "binomial": ("42", r"\binom{10^9}{5\cdot10^8}"),
    "bigint": ("42", "2^{100000000}"),
    "tiny": ("42", "10^{-10^{10}}"),
    "digits": ("7" * 50, "7" * 100_000),
    "long decimal": ("0.3", "0." + "3" * 9_000),
    "exponent": ("1", "1e999999999"),
    "sine of a giant": ("0", r"\sin(10^{10^{5}})"),
    "exponentials": ("1", "e^{e^{e^{e^{e}}}}"),
    "product": ("42", r"\prod_{k=1}^{10^{9}} k"),
    "long list": ("1", ",".join(map(str, range(5_000)))),
    "list of sines": (",".join(rf"\sin({k})" for k in range(150)), ",".join(rf"\sin({k}+1)" for k in range(150))),
    "signs": ("1", r"\pm1" * 50),
    "list of signs": (",".join([r"\pm1\pm2\pm3\pm4"] * 50), ",".join([r"1\pm2\pm3\pm4"] * 50)),
    "unions": ("(0,1)", r"\cup".join(f"({k},{k + 1})" for k in range(1_000))),
    "inequalities": ("1", "<".join("abcdefgh" * 200)),
    "matrices": ("1", r"\begin{pmatrix}1&1\\1&0\end{pmatrix}" * 100),
    "determinant": ("1", r"\begin{vmatrix}" + r"\\".join("&".join("abcdefgh") for _ in range(8)) + r"\end{vmatrix}"),
    "fractions": ("x", "+".join(rf"\frac{{1}}{{x_{{{k}}}+{k}}}" for k in range(60))),
    "hard integer": ("3", r"\sqrt{" + "9" * 1_500 + "}"),
    "gaussian powers": ("1", "(1+2i)^{64}(3+i)^{64}"),
    "nested functions": ("x", r"\sin(\cos(" * 25 + "x" + "))" * 25),
    "han": ("42", "四" * 100_000),
    "words": ("bar", "foo, " * 20_000),
    "superscripts": ("x", "x" + "²" * 100_000),
    "thousands": ("1", "1" + ",234" * 2_000),
    "units": ("6", "5 " + "cm " * 2_000),
    "logarithms": ("1", r"\log_{" * 50 + "2" + "}" * 50 + " 3"),
    "backslashes": ("1", "\\" * 1_000_000),
    "brackets": ("1", "[" * 1_000_000),
    "unbalanced": ("1", "(" * 1_000_000 + "1"),
    "spaced braces": ("3", "{ " * 2_000 + r"3 \text{ or } \zzz" + " }" * 2_000),
    "leads in braces": ("3", "{answer is " * 2_000 + r"\zzz" + "}" * 2_000),
    "sets in sets": ("3", "{x|" * 2_000 + "x>1" + "}" * 2_000),
    "halves in a list": ("3", "x=1" + r",\frac12" * 2_000),
}
TRUE: dict[str, tuple[str, str]] = {
    "parentheses": ("42", "(" * 500_000 + "42" + ")" * 500_000),
    "left parentheses": ("42", r"\left(" * 40_000 + "42" + r"\right)" * 40_000),
    "braces": ("42", "{" * 500_000 + "42" + "}" * 500_000),
    "both": ("(1,2)", "{(" * 50_000 + "1,2" + ")}" * 50_000),
    "products of brackets": ("x^2", "(" * 9 + "x)(x" + ")" * 9),
    "invisible characters": ("42", "\u200b" * 1_000_000 + "42"),
    "even minus signs": ("17", "-" * 2_000 + "17"),
    "nothing to a power": ("1", "0^{9^{9^{9^9}}}+1"),
    "one to a power": ("1", "1^{10^{10^{10}}}"),
    "equal towers": ("10^{10^{10^{10}}}", "$10^{10^{10^{10}}}$"),
    "a long list backwards": (",".join(map(str, range(190))), ",".join(map(str, range(189, -1, -1)))),
}


@pytest.fixture(scope="module")
def scores(judged_by_workers: Callable[[Mapping[str, tuple[str, str]]], dict[str, Score]]) -> dict[str, Score]:
    return judged_by_workers({name: (gold, rf"\boxed{{{box}}}") for name, (gold, box) in (HOSTILE | TRUE).items()})


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_too_much_is_not_equal(name: str, scores: dict[str, Score]) -> None:
    assert scores[name].value == 0
    assert "how" in scores[name].evidence, scores[name].reason  # it is the verifier that spoke


@pytest.mark.parametrize("name", TRUE)
def test_what_only_looks_like_too_much_is_equal(name: str, scores: dict[str, Score]) -> None:
    assert scores[name].value == 1, scores[name].reason


def test_undecided_is_said() -> None:
    assert "limits" in judge("42", "10^{10^{10^{10}}}").how


def test_no_answer_can_run_code(tmp_path: Path) -> None:
    target = tmp_path / "owned"
    for code in (
        f"open('{target}', 'w')",
        "__import__('os').system('true')",
        "eval('42')",
        "42 if True else 0",
        "int('42')",
    ):
        assert not judge("42", code).equal
    assert not target.exists()
