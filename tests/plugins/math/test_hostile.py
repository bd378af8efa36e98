"""Completions that mean harm: each is judged rightly, and well within the budget of a worker."""

from collections.abc import Callable, Mapping

import pytest

from guerdon import Score

DEEP = 20_000
MANY = 100_000
HOSTILE: dict[str, tuple[str, str, bool]] = {
    # nesting
    "sixty thousand open brackets": ("7", r"\boxed{" + "(" * 3 * DEEP + "7}", False),
    "left and right to the depths": ("7", r"\boxed{" + r"\left(" * DEEP + "7" + r"\right)" * DEEP + "}", True),
    "roots of roots": ("2", r"\boxed{" + r"\sqrt{" * DEEP + "2" + "}" * DEEP + "}", False),
    "powers of powers": ("2", r"\boxed{" + "2^{" * 300 + "2" + "}" * 300 + "}", False),
    "fractions below fractions": ("1", r"\boxed{" + r"\frac{1}{1+" * 3_000 + "1" + "}" * 3_000 + "}", False),
    "subscripts of subscripts": ("a", r"\boxed{" + "a_{" * 5_000 + "a" + "}" * 5_000 + "}", False),
    "bars in bars": ("1", r"\boxed{" + "|" * 9_999 + "1" + "|" * 9_999 + "}", False),
    "boxes in boxes": ("7", r"\boxed{" * 500 + "7" + "}" * 500, True),
    "boxes never closed": ("7", r"\boxed{" * DEEP + "7", False),
    "matrices in matrices": ("1", r"\boxed{" + r"\begin{pmatrix}" * 900 + "1" + r"\end{pmatrix}" * 900 + "}", False),
    "text in text": ("7", r"\boxed{" + r"\text{" * 500 + "7" + "}" * 500 + "}", True),
    "functions of functions": ("0", r"\boxed{" + r"\sin(" * 3_000 + "0" + ")" * 3_000 + "}", False),
    "minus upon minus": ("7", r"\boxed{" + "-" * 2_000 + "7}", True),
    "factorials of factorials": ("6", r"\boxed{3" + "!" * 5_000 + "}", False),
    # long runs
    "commas": ("7", r"\boxed{" + "," * MANY + "7}", False),
    "dollars before": ("7", "$" * 10 * MANY + r"\boxed{7}", True),
    "backslashes": ("7", "\\" * MANY + r" \boxed{7}", True),
    "carets": ("7", r"\boxed{7" + "^" * MANY + "}", False),
    "spaces in the box": ("7", r"\boxed{" + " " * MANY + "7" + " " * MANY + "}", True),
    "spaces between digits": ("77", r"\boxed{7" + " " * MANY + "7}", False),
    "equal signs": ("7", r"\boxed{" + "=" * MANY + "7}", False),
    "and and and": ("7", r"\boxed{" + r"\text{ and }" * 9_000 + "7}", False),
    "at least at least": ("7", r"\boxed{\text{" + "at least " * 9_000 + "7}}", False),
    "points of ellipsis": ("7", r"\boxed{7" + r"\ldots" * 9_000 + "}", False),
    "percent signs": ("7", r"\boxed{7" + "%" * MANY + "}", False),
    "degree signs": ("7", r"\boxed{7" + "°" * MANY + "}", False),
    "superscript digits": ("7", r"\boxed{7" + "²" * MANY + "}", False),
    "circled digits": ("1", r"\boxed{" + "①," * 30_000 + "①}", False),
    "zero width spaces": ("7", r"\boxed{" + "\u200b" * MANY + "7}", True),
    "think tags": ("7", "<think>" * DEEP + r"\boxed{7}", False),
    "closed think tags": ("7", "</think>" * DEEP + r"\boxed{7}", True),
    "half-open boxes before": ("7", r"\boxed{8 " * 5_000 + "}" * 5_000 + r"\boxed{7}", True),
    "a box a word": ("7", r"\boxed{8}, " * DEEP + r"\boxed{7}", False),
    # numbers
    "a million digits": ("7", r"\boxed{" + "7" * 10 * MANY + "}", False),
    "a million decimals": ("7", r"\boxed{7." + "0" * 9 * MANY + "}", True),
    "a huge exponent": ("7", r"\boxed{7e999999999}", False),
    "a tiny exponent": ("0", r"\boxed{1e-999999999}", False),
    "a tower": ("7", r"\boxed{9^{9^{9^{9^{9}}}}}", False),
    "a tower downwards": ("0", r"\boxed{9^{-9^{9^{9}}}}", False),
    "a huge root": ("1", r"\boxed{\sqrt[10^{100}]{2}}", False),
    "a huge factorial": ("7", r"\boxed{(10^{12})!}", False),
    "a huge binomial": ("7", r"\boxed{\binom{10^{15}}{10^{14}}}", False),
    "a huge combination": ("7", r"\boxed{C_{999}^{10^{9}}}", False),
    "a huge base": ("7", r"\boxed{" + "z" * 3_000 + "_{36}}", False),
    "a huge polynomial": ("x", r"\boxed{(a+b+c+d+x)^{500}}", False),
    "many products": ("x", r"\boxed{" + "(x+1)(y+1)" * 200 + "}", False),
    "a huge range": ("1,2,3", r"\boxed{1,2,\ldots,10^{12}}", False),
    "a huge set of integers": ("7", r"\boxed{\{x\in\mathbb{Z}\mid 0<x<10^{15}\}}", False),
    "a wide spread of residues": (r"x=k\pi", r"\boxed{x=\frac{k\pi}{999999937}, \frac{k\pi}{999999929}}", False),
    "residues of a huge modulus": (r"n\equiv 1\pmod 2", r"\boxed{n\equiv 1\pmod{10^{30}}}", False),
    "many signs": ("7", r"\boxed{" + r"\pm 1" * 40 + "}", False),
    "a modulus of nothing": (r"n\equiv 1\pmod 2", r"\boxed{n\equiv 1\pmod 0}", False),
    # what is no answer
    "an import": ("7", r"\boxed{__import__('os').getpid()}", False),
    "a sum in Python": ("7", r"\boxed{sum([3, 4])}", False),
    "a lambda": ("7", r"\boxed{(lambda: 7)()}", False),
    "a definition": ("7", r"\def\x{7}\boxed{\x}", False),
    "a Cyrillic x": ("x", "\\boxed{\u0445}", False),
    "either of two": ("7", r"\boxed{7 \text{ or maybe } 8}", False),
    "any number": ("7", r"\boxed{n \text{ for all integers } n}", False),
    "a denied answer": ("x=7", r"\boxed{\text{not } x = 7}", False),
    "a claim": ("7", r"\boxed{\text{correct}}", False),
    "a box in a thought": ("7", r"<think>\boxed{7}</think> I do not know.", False),
    "a nothing": ("7", "\\boxed{\x00}", False),
    "a lone surrogate": ("7", "\\boxed{\ud800}", False),
}


@pytest.fixture(scope="module")
def scores(judged_by_workers: Callable[[Mapping[str, tuple[str, str]]], dict[str, Score]]) -> dict[str, Score]:
    return judged_by_workers({name: (gold, completion) for name, (gold, completion, _) in HOSTILE.items()})


@pytest.mark.parametrize("name", HOSTILE)
def test_harm_is_judged_rightly_within_the_budget(name: str, scores: dict[str, Score]) -> None:
    assert scores[name].value == float(HOSTILE[name][2]), scores[name].reason
    assert "ground_truth" in scores[name].evidence, scores[name].reason  # it is the verifier that spoke
