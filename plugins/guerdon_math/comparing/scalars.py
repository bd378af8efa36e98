"""Are two numbers or expressions equal? By exact form, else numerically, else not as far as anyone can tell."""

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

from guerdon_math.comparing import numeric
from guerdon_math.comparing.form import form, same
from guerdon_math.comparing.functions import FUNCTIONS
from guerdon_math.limits import NotMath, Undecided, Undefined, spend
from guerdon_math.tree import ONE, Call, Node, Num, Power, Product, Quantity, Quotient, Sum, Sym, children
from guerdon_math.units import DEGREE, PERCENT, UNITS, Unit


class Verdict(NamedTuple):
    """Whether an answer equals the ground truth, and how that was found out."""

    equal: bool
    how: str


_TEMPERATURES = {"celsius", "fahrenheit"}
_KNOWN = frozenset(FUNCTIONS) | {"transpose", "gcd", "lcm", "det"}


def equal_numbers(gold: Node, answer: Node) -> Verdict:
    """Compare two expressions without units."""
    if isinstance(gold, Num) and isinstance(answer, Num):
        return Verdict(gold.value == answer.value, "compared as rationals")
    infinite = infinity(gold), infinity(answer)
    if any(infinite):
        return Verdict(infinite[0] == infinite[1], "compared as infinities")
    logs = mentions(gold, "log"), mentions(answer, "log")
    if any(logs):
        verdict = Verdict(False, "")
        for base in (None,) if all(logs) else (None, Num(Fraction(10))):
            verdict = _decide(_known(gold, base), _known(answer, base))
            if verdict.equal:
                break
        return verdict
    return _decide(_known(gold, None), _known(answer, None))


def _decide(gold: Node, answer: Node) -> Verdict:
    why = ""
    spend(6)
    try:
        equal = same(form(gold), form(answer))
        if equal is not None:
            return Verdict(equal, "equal as exact forms" if equal else "differ as exact forms")
    except Undecided as error:
        why = str(error)
    except Undefined as error:
        return Verdict(False, str(error))
    try:
        found, how = numeric.compare(gold, answer)
    except Undecided as error:
        return Verdict(False, f"could not be decided within limits: {why or error}")
    except Undefined as error:
        return Verdict(False, str(error))
    except (NotMath, ArithmeticError, ValueError, TypeError) as error:
        return Verdict(False, f"could not be decided: {error}")
    return Verdict(found, how)


def infinity(node: Node) -> int:
    """1 for ∞, -1 for -∞, else 0."""
    match node:
        case Sym("oo"):
            return 1
        case Product([Num(value), Sym("oo")]) if value:
            return 1 if value > 0 else -1
        case _:
            return 0


def mentions(node: Node, name: str) -> bool:
    """Whether a function is called anywhere in the node."""
    stack = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, Call) and top.name == name:
            return True
        stack.extend(children(top))
    return False


def _known(node: Node, log_base: Node | None) -> Node:
    """With `log` as a logarithm of a known base, and each value of an unknown function as a symbol of its own."""
    if not _needs_change(node):
        return node

    def change(part: Node) -> Node:
        return _known(part, log_base)

    match node:
        case Call("log", args):
            value: Node = Call("ln", [change(arg) for arg in args])
            return value if log_base is None else Quotient(value, Call("ln", [log_base]))
        case Call(name, args):
            new = [change(arg) for arg in args]
            if name in _KNOWN:
                return Call(name, new)
            return Sym(f"{name}({', '.join(form(arg).spelled() for arg in new)})")
        case _:
            return _rebuilt(node, change)


def _needs_change(node: Node) -> bool:
    stack = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, Call) and top.name not in _KNOWN:
            return True
        stack.extend(children(top))
    return False


def _rebuilt(node: Node, change: Callable[[Node], Node]) -> Node:
    match node:
        case Sum(terms):
            return Sum([change(term) for term in terms])
        case Product(factors):
            return Product([change(factor) for factor in factors])
        case Quotient(top, bottom):
            return Quotient(change(top), change(bottom))
        case Power(base, exponent):
            return Power(change(base), change(exponent))
        case Quantity(body, unit):
            return Quantity(change(body), unit)
        case _:
            return node


def split_unit(node: Node) -> tuple[Node, Unit | None]:
    """A quantity as its number and unit; a sign or a product in front does not hide the unit."""
    match node:
        case Quantity(body, unit):
            return body, unit
        case Product(factors) if isinstance(factors[-1], Quantity):
            return Product([*factors[:-1], factors[-1].body]), factors[-1].unit
        case Sum(terms) if all(isinstance(term, Quantity) for term in terms):
            units = [term.unit for term in terms if isinstance(term, Quantity)]
            if all(unit.known and unit.dimension == units[0].dimension for unit in units):
                scaled: list[Node] = [
                    Product([term.body, Num(term.unit.size / units[0].size)])
                    for term in terms
                    if isinstance(term, Quantity)
                ]
                return Sum(scaled), units[0]
            return node, None
        case Sum(terms) if isinstance(terms[-1], Quantity) and not any(isinstance(t, Quantity) for t in terms[:-1]):
            return Sum([*terms[:-1], terms[-1].body]), terms[-1].unit
        case _:
            return node, None


def equal_quantities(gold: Node, answer: Node) -> Verdict:
    """Compare two expressions that may have units.

    A unit may be left out by either side, may be converted, and may not contradict; a percentage is a hundredth
    unless only its sign was left out of the answer; degrees are radians where the other side has a π.
    """
    gold_body, gold_unit = split_unit(gold)
    body, unit = split_unit(answer)
    if unit is None and gold_unit is not None:
        body, unit = _spelled_unit(answer, gold_unit)
    elif gold_unit is None and unit is not None:
        gold_body, gold_unit = _spelled_unit(gold, unit)
    if gold_unit is None and unit is None:
        return equal_numbers(gold, answer)
    if gold_unit is not None and unit is not None:
        if not gold_unit.known or not unit.known:
            return equal_numbers(gold_body, body)
        if gold_unit.dimension != unit.dimension:
            if DEGREE in (gold_unit, unit) and {gold_unit.name, unit.name} & _TEMPERATURES:
                return equal_numbers(gold_body, body)
            if DEGREE in (gold_unit, unit) and {gold_unit.name, unit.name} & {"rad"}:
                return equal_numbers(*(_radians(b, u) for b, u in ((gold_body, gold_unit), (body, unit))))
            return Verdict(False, f"units differ: {gold_unit.name} and {unit.name}")
        if gold_unit.size == unit.size:
            return equal_numbers(gold_body, body)
        return equal_numbers(Product([gold_body, Num(gold_unit.size)]), Product([body, Num(unit.size)]))
    present = gold_unit or unit
    with_unit, without = (gold_body, body) if gold_unit is not None else (body, gold_body)
    if present == PERCENT:
        verdict = equal_numbers(Quotient(with_unit, Num(Fraction(100))), without)
        if not verdict.equal and gold_unit is not None:
            verdict = equal_numbers(with_unit, without)
        return verdict
    if present == DEGREE:
        if _has_pi(without) and not _has_pi(with_unit):
            return equal_numbers(Quantity(with_unit, DEGREE), without)
        return equal_numbers(with_unit, without)
    return equal_numbers(with_unit, without)


def _spelled_unit(node: Node, expected: Unit) -> tuple[Node, Unit | None]:
    """5 m as metres rather than as five times m, where the other side is a length."""
    if isinstance(node, Product):
        last = node.factors[-1]
        exponent = last.exponent if isinstance(last, Power) else ONE
        name = last.base if isinstance(last, Power) else last
        if isinstance(name, Sym) and name.name in UNITS and isinstance(exponent, Num) and exponent.value in (1, 2, 3):
            unit = UNITS[name.name].power(int(exponent.value))
            if unit.dimension == expected.dimension:
                return Product(node.factors[:-1]), unit
    if isinstance(node, Quotient) and isinstance(node.bottom, Sym) and node.bottom.name in UNITS:
        per = UNITS[node.bottom.name]
        body, above = _spelled_unit(node.top, expected.times(per))
        if above is not None:
            return body, above.times(per, -1)
    return node, None


def _radians(body: Node, unit: Unit) -> Node:
    return Quantity(body, DEGREE) if unit == DEGREE else body


def _has_pi(node: Node) -> bool:
    stack = [node]
    while stack:
        top = stack.pop()
        if (isinstance(top, Sym) and top.name == "pi") or (isinstance(top, Call) and top.name.startswith("arc")):
            return True
        stack.extend(children(top))
    return False
