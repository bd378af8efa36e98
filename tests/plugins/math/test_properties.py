"""What must hold of any answer."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon_math.judge import judge

INTEGERS = st.integers(-(10**12), 10**12)
FRACTIONS = st.fractions(max_denominator=10**4)
SCRIPTS = ("0123456789", "０１２３４５６７８９", "٠١٢٣٤٥٦٧٨٩", "०१२३४५६७८९", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗")
TOKENS = r"""
1 2 0.5 1,234 x y n e i \pi \infty + - * / ^ _ ( ) [ ] { } \{ \} , ; : = < > \le \ne \approx \in \cup \cap \setminus
\frac \sqrt \sqrt[3] \text{cm} \text{or} and \pm | \left( \right) \begin{pmatrix} \end{pmatrix} & \\ \% ! \binom \log
\ln \sin \sin^2 f(x) \mathbb{R} \emptyset \ldots \overline{3} \lfloor \rfloor \boxed{2} \$ ° √ 四 ２ \mid \pmod{7} A AB
k for integer \max \dot{3} \vec \angle ' ² ½ ① \over \cdot \int \sum cm yes 3:00 pm
"""
SOUP = TOKENS.split()
TREES = st.recursive(
    st.sampled_from(["x", "y", "2", "3", "10", r"\pi", "0.5", "n"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", r"\cdot "]), inner).map(lambda t: "(" + "".join(t) + ")"),
        st.tuples(inner, inner).map(lambda t: rf"\frac{{{t[0]}}}{{{t[1]}}}"),
        st.tuples(inner, st.sampled_from(["2", "3", r"\frac12", "-1"])).map(lambda t: f"({t[0]})^{{{t[1]}}}"),
        inner.map(lambda t: rf"\sqrt{{{t}}}"),
        inner.map(lambda t: rf"\sin({t})"),
        inner.map(lambda t: f"|{t}|"),
    ),
    max_leaves=8,
)


def grouped(n: int, separator: str) -> str:
    return f"{n:,}".replace(",", separator)


@given(INTEGERS)
def test_an_integer_is_itself_however_it_is_written(n: int) -> None:
    sign, size = ("-" if n < 0 else ""), abs(n)
    spellings = [
        f"{n}.0",
        f"({n})",
        f"{{{n}}}",
        f"${n}$",
        rf"\text{{{n}}}",
        rf"\frac{{{3 * n}}}{{3}}",
        f"{sign}00{size}",
    ]
    spellings += [grouped(n, separator) for separator in (",", "{,}", r"\,", r",\!", "\u202f", "\u2009", "\u00a0", "~")]
    spellings += [str(n).translate(str.maketrans(SCRIPTS[0], script)) for script in SCRIPTS]
    spellings += [
        f"x={n}",
        rf"{n}\text{{ apples}}",
        rf"\$ {n}",
        f"{n}.",
        rf"{n}\times 10^{{0}}",
        f"{n // 10}{abs(n) % 10}" if n >= 0 else f"{n}",
    ]
    assert not [spelling for spelling in spellings if not judge(str(n), spelling).equal]
    assert not [spelling for spelling in spellings[:-1] if not judge(spelling, str(n)).equal]


@given(INTEGERS, INTEGERS)
def test_other_integers_are_not_equal(n: int, m: int) -> None:
    for a, b in ((n, n + 1), (n, m), (n, 10 * n), (n, -n)):
        spellings = (str(b), f"{b}.0", grouped(b, ","), rf"\frac{{{2 * b}}}{{2}}", f"x={b}", rf"{b}\text{{ cm}}")
        assert all(judge(str(a), spelling).equal == (a == b) for spelling in spellings)


@given(FRACTIONS, st.integers(2, 9))
def test_a_fraction_is_itself_however_it_is_written(q: Fraction, k: int) -> None:
    gold = rf"\frac{{{q.numerator}}}{{{q.denominator}}}"
    spellings = [f"{q.numerator}/{q.denominator}", rf"\dfrac{{{k * q.numerator}}}{{{k * q.denominator}}}"]
    spellings += [rf"{q.numerator} \div {q.denominator}", rf"\left(\frac{{{q.numerator}}}{{{q.denominator}}}\right)"]
    if q > 0 and q.denominator > 1:
        whole, rest = divmod(q.numerator, q.denominator)
        spellings.append(rf"{whole}\frac{{{rest}}}{{{q.denominator}}}" if whole else gold)
    assert not [spelling for spelling in spellings if not judge(gold, spelling).equal]


@given(FRACTIONS, FRACTIONS)
def test_other_fractions_are_not_equal(q: Fraction, r: Fraction) -> None:
    assert judge(str(q), rf"\frac{{{r.numerator}}}{{{r.denominator}}}").equal == (q == r)


@given(st.fractions(0, 100, max_denominator=300))
def test_a_recurring_decimal_is_its_fraction(q: Fraction) -> None:
    seen: dict[int, int] = {}
    digits, rest = "", q.numerator % q.denominator
    while rest and rest not in seen:
        seen[rest] = len(digits)
        digits += str(10 * rest // q.denominator)
        rest = 10 * rest % q.denominator
    fixed, cycle = (digits[: seen[rest]], digits[seen[rest] :]) if rest else (digits, "")
    text = f"{q.numerator // q.denominator}.{fixed or ('' if cycle else '0')}" + (
        rf"\overline{{{cycle}}}" if cycle else ""
    )
    assert judge(str(q), text).equal
    if cycle:
        assert not judge(str(q), f"{float(q):.9f}").equal


@given(st.lists(FRACTIONS, min_size=2, max_size=6, unique=True), st.randoms(use_true_random=False))
def test_a_set_comes_in_any_order_and_a_tuple_does_not(items: list[Fraction], rng: object) -> None:
    shuffled = list(items)
    rng.shuffle(shuffled)  # type: ignore[attr-defined]
    as_list, as_other = ", ".join(map(str, items)), ", ".join(map(str, shuffled))
    assert judge(as_list, as_other).equal
    assert judge(rf"\{{{as_list}\}}", as_other).equal
    assert judge(f"({as_list})", f"({as_other})").equal == (items == shuffled)
    assert not judge(as_list, ", ".join(map(str, shuffled[1:]))).equal


@given(TREES)
@settings(deadline=None)
def test_an_expression_equals_itself_rewritten(tree: str) -> None:
    verdict = judge(tree, f"({tree})+0")
    undefined = ("division by zero", "0^0", "no value", "few points", "limits")
    assert verdict.equal or any(word in verdict.how for word in undefined)


@given(TREES)
@settings(deadline=None)
def test_an_expression_is_not_itself_plus_one(tree: str) -> None:
    assert not judge(tree, f"({tree})+1").equal
    assert not judge(tree, rf"({tree})+10^{{-40}}").equal


@given(TREES, TREES)
@settings(deadline=None)
def test_equality_of_expressions_is_symmetric(a: str, b: str) -> None:
    assert judge(a, b).equal == judge(b, a).equal


@given(
    st.lists(st.sampled_from(SOUP), max_size=14),
    st.lists(st.sampled_from(SOUP), max_size=5),
    st.sampled_from(["", " "]),
)
@settings(max_examples=300, deadline=None)
def test_nothing_that_looks_like_mathematics_raises(answer: list[str], gold: list[str], gap: str) -> None:
    assert judge(gap.join(gold), gap.join(answer)).how


@given(st.text(max_size=60), st.text(max_size=20))
def test_no_text_raises(answer: str, gold: str) -> None:
    assert judge(gold, answer).how


@pytest.mark.parametrize("seed", range(3))
def test_the_verdict_is_the_same_on_every_call(seed: int) -> None:
    pair = ((r"\sin 2x", r"2\sin x\cos x"), (r"\sqrt{x^2}", "x"), ("1,234", r"1\,234"))[seed]
    assert len({judge(*pair) for _ in range(3)}) == 1
