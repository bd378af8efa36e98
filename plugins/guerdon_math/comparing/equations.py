"""Relations: chains that settle to a value, labels such as `x =`, equations and inequalities as wholes."""

import re
from collections.abc import Callable
from fractions import Fraction
from math import isfinite

import mpmath

from guerdon_math.comparing.form import form
from guerdon_math.comparing.functions import Unusable
from guerdon_math.comparing.numeric import compare as compare_numerically
from guerdon_math.comparing.numeric import evaluate
from guerdon_math.comparing.polynomials import Mono, Poly, multiply
from guerdon_math.comparing.scalars import Verdict, equal_quantities, split_unit
from guerdon_math.limits import NotMath, Undecided, Undefined
from guerdon_math.reading.vocabulary import FUNCTION_NAMES
from guerdon_math.tree import (
    Call,
    Node,
    Num,
    Product,
    Quantity,
    Quotient,
    Relation,
    Seq,
    Sum,
    Sym,
    children,
    negated,
    substitute,
    symbols,
)
from guerdon_math.units import DEGREE, PERCENT

_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_ROOTS = frozenset({"x", "z", "t", "r", "lambda"})
_NEAR = Fraction(1, 20)
_WORD = re.compile(r"[^\W\d]\w*")
_CONSTANTS = frozenset({"pi", "e", "ln", "sin", "cos", "tan"})
"""The words in the atoms of constants: pi, #3, ln(2), sin(1)."""


def settled(node: Node) -> Node:
    """Chains brought to what they say: 14/2 = 7 is 7, √2 ≈ 1.41 is √2, x = y = 3 stays.

    Raises:
        NotMath: the chain contradicts itself, as 7 = 8 or 7 ≈ 8.
    """
    if isinstance(node, Seq):
        return Seq(node.opener, node.closer, [settled(item) for item in node.items], node.joined)
    if not isinstance(node, Relation):
        return node
    sides, ops = list(node.sides), list(node.ops)
    if "~" in ops:
        sides, ops = _without_approximations(sides, ops)
    if not ops:
        return sides[0]
    if set(ops) != {"="}:
        return Relation(sides, ops)
    constants = [side for side in sides if _is_constant(side)]
    if len(constants) > 1:
        value = constants[0]
        if all(side == value for side in constants):
            raise NotMath("an equation that says nothing")
        for other in constants[1:]:
            if not (equal_quantities(value, other).equal or _rounds(value, other)):
                if sides[:-1] == [Sym("e")]:
                    return other  # the eccentricity
                raise NotMath("an equation that does not hold")
            if _written_as_decimal(value) and not _written_as_decimal(other):
                value = other
        sides = [side for side in sides if not _is_constant(side)] + [value]
        if len(sides) == 1:
            return value
        return Relation(sides, ["="] * (len(sides) - 1))
    return Relation(sides, ops)


def _without_approximations(sides: list[Node], ops: list[str]) -> tuple[list[Node], list[str]]:
    """The exact part decides; an approximation far from it contradicts it."""
    at = ops.index("~")
    exact, approximate = sides[: at + 1], sides[at + 1 :]
    rest = ops[:at]
    last = exact[-1]
    if not _is_constant(last):
        # x ≈ 11 says x = 11 when nothing more exact is there
        if len(exact) == 1 and len(approximate) == 1:
            return [last, approximate[0]], ["="]
        raise NotMath("an approximation of nothing")
    for side in approximate:
        if not _is_constant(side) or not (_written_as_decimal(side) or _near(last, side)):
            raise NotMath("an approximation that is far off")
        if _written_as_decimal(last) and not _written_as_decimal(side):
            exact[-1] = side
    return exact, rest


def _is_constant(node: Node) -> bool:
    """Whether a side is a number, with or without a unit."""
    if isinstance(node, (Seq, Relation)):
        return False
    stack: list[Node] = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, Sym) and top.name not in ("pi", "e", "i", "oo"):
            return False
        if isinstance(top, Call) and top.name in ("f", "g", "h"):
            return False
        stack.extend(children(top))
    return True


def _written_as_decimal(node: Node) -> bool:
    node = split_unit(node)[0]
    if isinstance(node, Product) and len(node.factors) == 2 and node.factors[0] == Num(Fraction(-1)):
        node = node.factors[1]
    return isinstance(node, Num) and node.decimal


def _near(exact: Node, approximate: Node) -> bool:
    """Within five percent."""
    a, b = split_unit(exact)[0], split_unit(approximate)[0]
    for bound, sign in ((_NEAR, 1), (_NEAR, -1)):
        try:
            ratio = _as_fraction(Quotient(b, a))
        except (NotMath, Undecided, Undefined):
            return False
        if ratio is None or abs(ratio - 1) > bound * sign * sign:
            return False
    return True


def _as_fraction(node: Node) -> Fraction | None:
    """The value of a constant, as close as a double is."""

    try:
        value = evaluate(node, {}, mpmath.fp)
    except (Unusable, ArithmeticError, ValueError):
        return None
    if isinstance(value, complex) or not isfinite(value):
        return None
    return Fraction(float(value))


def _rounds(a: Node, b: Node) -> bool:
    """Whether one is a decimal to which the other rounds: 2/3 = 0.667."""
    if _written_as_decimal(a) == _written_as_decimal(b):
        return False
    exact, decimal = (b, a) if _written_as_decimal(a) else (a, b)
    shown = split_unit(decimal)[0]
    try:
        value, target = _as_fraction(split_unit(exact)[0]), _as_fraction(shown)
    except (NotMath, Undecided):
        return False
    number = shown.factors[1] if isinstance(shown, Product) else shown
    if value is None or target is None or not isinstance(number, Num):
        return False
    place = Fraction(1)
    while (number.value / place).denominator != 1 and place > Fraction(1, 10**15):
        place /= 10
    return abs(value - target) < place < 1


def is_label(node: Node) -> bool:
    """Whether a left side only names the value: x, f(x), AB, x + y, (x, y); not 2x, whose value is another matter."""
    match node:
        case Sym(name):
            return name not in ("pi", "e", "i", "oo", "…") and not name.startswith("reals")
        case Call(name, args):
            return bool(symbols(node)) or name in ("f", "g") or (name == "abs" and is_label(args[0]))
        case Seq("(" | "\\{" | "", ")" | "\\}" | "", items):
            return bool(items) and all(is_label(item) for item in items)
        case Product(factors):
            return all(is_label(factor) or (isinstance(factor, Seq) and factor.opener == "(") for factor in factors)
        case Sum(terms):
            return all(is_label(_unsigned(term)) for term in terms)
        case Quotient(top, bottom):
            return is_label(top) and is_label(bottom)
        case _:
            return False


def _unsigned(node: Node) -> Node:
    if isinstance(node, Product) and len(node.factors) == 2 and node.factors[0] == Num(Fraction(-1)):
        return node.factors[1]
    return node


def unlabelled(node: Node) -> Node | None:
    """The value that a relation gives its label; `None` if it is no such relation. Other nodes are their own value."""
    if not isinstance(node, Relation):
        return node
    if node.ops == ["in"] and is_label(node.sides[0]) and isinstance(node.sides[1], Seq):
        return node.sides[1] if node.sides[1].opener == "\\{" else None
    if set(node.ops) != {"="}:
        return None
    first, last = node.sides[0], node.sides[-1]
    if all(is_label(side) for side in node.sides[:-1]):
        # a + b = 0 rather relates a and b than names their sum
        return None if isinstance(first, Sum) and last == Num(Fraction(0)) else last
    if len(node.sides) == 2 and isinstance(last, Sym) and is_label(last) and _is_constant(first):
        return first
    return None


def labels_of(node: Seq) -> list[str]:
    """The names of a list's items if each has one, else nothing."""
    names = []
    for item in node.items:
        if not isinstance(item, Relation) or unlabelled(item) is None or item.ops != ["="]:
            return []
        label = item.sides[0]
        if _is_constant(label) and isinstance(item.sides[1], Sym):
            label = item.sides[1]
        names.append(label.name if isinstance(label, Sym) else repr(label))
    stems = {name.partition("_")[0] for name in names}
    # x_1 and x_2 are the roots in any order; a_1 and a_2 are not each other
    return (
        [*stems] * len(names) if len(stems) == 1 and stems <= _ROOTS and all("_" in name for name in names) else names
    )


def equal_relations(gold: Relation, answer: Relation, compare: Callable[[Node, Node], Verdict]) -> Verdict:
    """Compare two relations as such: named values, proportional equations, chains of inequalities."""
    gold_ops, ops = gold.ops, answer.ops
    if set(gold_ops) == set(ops) == {"="}:
        return _equations(gold, answer, compare)
    if set(gold_ops) <= set(_FLIPPED) and set(ops) <= set(_FLIPPED):
        return _inequalities(gold, answer, compare)
    if gold_ops == ops and len(gold.sides) == len(answer.sides):
        pairs = [compare(a, b) for a, b in zip(gold.sides, answer.sides, strict=True)]
        swapped = len(pairs) == 2 and ops[0] in ("!=", "==") and _swapped(gold, answer, compare)
        return Verdict(swapped or all(v.equal for v in pairs), "relations compared side by side")
    return Verdict(False, "different relations")


def _swapped(gold: Relation, answer: Relation, compare: Callable[[Node, Node], Verdict]) -> bool:
    return compare(gold.sides[0], answer.sides[1]).equal and compare(gold.sides[1], answer.sides[0]).equal


def _function_of(node: Node) -> tuple[str, str] | None:
    """The name and the variable of f(x) on the left of an equation."""
    match node:
        case Call(name, [Sym(variable)]):
            return name, variable
        case Product([Sym(name), Sym(variable)]) if name in FUNCTION_NAMES:
            return name, variable
        case _:
            return None


def _equations(gold: Relation, answer: Relation, compare: Callable[[Node, Node], Verdict]) -> Verdict:
    f, g = _function_of(gold.sides[0]), _function_of(answer.sides[0])
    if f and g and f[0] == g[0] and len(gold.sides) == len(answer.sides) == 2:
        if f[1] != g[1] and f[1] in symbols(answer.sides[1]):
            return Verdict(False, "functions of other variables")
        return compare(gold.sides[1], substitute(answer.sides[1], g[1], Sym(f[1])))
    gold_value, value = unlabelled(gold), unlabelled(answer)
    if gold_value is not None and value is not None:
        labels, answer_labels = (
            r.sides[:-1] if r.sides[-1] is v else r.sides[1:] for r, v in ((gold, gold_value), (answer, value))
        )
        if len(labels) == len(answer_labels) and all(map(_same_label, labels, answer_labels)):
            verdict = compare(gold_value, value)
            if verdict.equal:
                return verdict
    if len(gold.sides) != 2 or len(answer.sides) != 2:
        return _chains(gold, answer, compare)
    if any(isinstance(side, Seq) for side in gold.sides + answer.sides):
        return Verdict(False, "equations that differ")
    return _proportional(gold, answer)


def _chains(gold: Relation, answer: Relation, compare: Callable[[Node, Node], Verdict]) -> Verdict:
    """a = b = c says the same as b = a = c."""
    rest = list(answer.sides)
    for side in gold.sides:
        found = next((other for other in rest if compare(side, other).equal), None)
        if found is None:
            return Verdict(False, "chains that differ")
        rest.remove(found)
    return Verdict(not rest, "chains of the same sides" if not rest else "chains that differ")


def gives_y(relation: Relation, other: Node) -> bool:
    """Whether an equation in x and y, linear in y, holds where y is the other side: y + 1 = x^2 gives x^2 - 1."""
    if relation.ops != ["="] or "x" not in symbols(other) or symbols(relation) != symbols(other) | {"y"}:
        return False
    found = _difference(relation)
    if found is None or {mono for mono in found[0] if any(name == "y" for name, _ in mono)} != {(("y", 1),)}:
        return False
    left, right = (substitute(side, "y", other) for side in relation.sides)
    return "y" not in symbols(other) and equal_quantities(left, right).equal


def one_by_one(node: Node) -> Node:
    """x = y = z = 1 as the list x = 1, y = 1, z = 1; other nodes as they are."""
    if not isinstance(node, Relation) or len(node.sides) < 3 or set(node.ops) != {"="}:
        return node
    *names, value = node.sides
    if not _is_constant(value) or not all(isinstance(name, Sym) for name in names):
        return node
    return Seq("", "", [Relation([name, value], ["="]) for name in names], "and")


def _same_label(a: Node, b: Node) -> bool:
    if isinstance(a, Sym) and isinstance(b, Sym):
        # descriptive labels ("area") may stand for any other name
        return a.name == b.name or " " in a.name + b.name or (len(a.name) > 3) != (len(b.name) > 3)
    if Sym("y") in (a, b) and Call("f", [Sym("x")]) in (a, b):
        return True
    if isinstance(a, Seq) and isinstance(b, Seq):
        return len(a.items) == len(b.items) and all(map(_same_label, a.items, b.items))
    return a == b


def _difference(relation: Relation) -> tuple[Poly, bool] | None:
    """The numerator of left minus right, with a unit dropped, and whether it is decisive."""
    left, right = (
        side.body if isinstance(side, Quantity) and side.unit not in (PERCENT, DEGREE) else side
        for side in relation.sides[:2]
    )
    try:
        found = form(Sum([left, negated(right)]))
    except (NotMath, Undecided, Undefined):
        return None
    return _cleared(found.top), found.decisive


def _cleared(a: Poly) -> Poly:
    """Multiplied by what makes every exponent positive: y = 1/x says xy = 1."""
    lowest: dict[str, int | Fraction] = {}
    for mono in a:
        for name, exponent in mono:
            lowest[name] = min(lowest.get(name, 0), exponent)
    shift = tuple(sorted((name, -exponent) for name, exponent in lowest.items() if exponent < 0))
    return multiply(a, {shift: 1}) if shift else a


def _ratio(a: Poly, b: Poly) -> Fraction | None:
    """The constant k with a = k·b, if there is one."""
    if a.keys() != b.keys() or not a:
        return None
    ratios = {Fraction(a[mono]) / Fraction(b[mono]) for mono in a}
    return ratios.pop() if len(ratios) == 1 else None


def _proportional_over(a: Poly, b: Poly) -> bool:
    """Whether a = k·b for a constant k that may be irrational: y = x/√3 says √3·y = x."""
    left, right = _by_variables(a), _by_variables(b)
    if left.keys() != right.keys() or not left:
        return False
    pivot = next(iter(left))
    return all(multiply(left[v], right[pivot]) == multiply(left[pivot], right[v]) for v in left)


def _by_variables(a: Poly) -> dict[Mono, Poly]:
    """The coefficient, a polynomial in constants, of each monomial in everything else, such as x, f(1) or 2^x."""
    out: dict[Mono, Poly] = {}
    for mono, value in a.items():
        constants = tuple(pair for pair in mono if _CONSTANTS.issuperset(_WORD.findall(pair[0])))
        out.setdefault(tuple(pair for pair in mono if pair not in constants), {})[constants] = value
    return out


def _proportional(gold: Relation, answer: Relation) -> Verdict:
    """Equations are equal if one is a multiple of the other."""
    left, right = _difference(gold), _difference(answer)
    if left is None or right is None:
        return Verdict(False, "equations beyond comparison")
    if _ratio(left[0], right[0]) is not None:
        return Verdict(True, "proportional equations")
    if _proportional_over(left[0], right[0]):
        return Verdict(True, "proportional equations")
    if left[1] and right[1]:
        return Verdict(False, "equations that are not proportional")
    try:
        one = Sum([gold.sides[0], negated(gold.sides[1])])
        two = Sum([answer.sides[0], negated(answer.sides[1])])
        for sign in (one, negated(one)):
            if compare_numerically(sign, two)[0]:
                return Verdict(True, "equations whose sides differ by the same")
    except (NotMath, Undecided, Undefined, ArithmeticError, ValueError, TypeError):
        pass
    return Verdict(False, "equations that differ")


def _inequalities(gold: Relation, answer: Relation, compare: Callable[[Node, Node], Verdict]) -> Verdict:
    """The same chain, read from either end; or two sides that differ by a positive factor."""
    for sides, ops in ((answer.sides, answer.ops), (answer.sides[::-1], [_FLIPPED[op] for op in answer.ops[::-1]])):
        if ops == gold.ops and all(compare(a, b).equal for a, b in zip(gold.sides, sides, strict=True)):
            return Verdict(True, "the same inequality")
    if len(gold.sides) == len(answer.sides) == 2:
        left, right = _difference(gold), _difference(answer)
        ratio = _ratio(left[0], right[0]) if left and right else None
        if ratio is not None:
            op = answer.ops[0] if ratio > 0 else _FLIPPED[answer.ops[0]]
            return Verdict(op == gold.ops[0], "inequalities with proportional sides")
    return Verdict(False, "different inequalities")
