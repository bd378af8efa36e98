"""Numeric comparison: doubles refute quickly; agreement is to more digits than the expressions could feign."""

import cmath
import random
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import mpmath

from guerdon_math.comparing.functions import FUNCTIONS, Unusable, Value, is_real, real_part, tiny
from guerdon_math.limits import MAX_DIGITS, NotMath, Undecided, Undefined, spend
from guerdon_math.tree import Based, Call, Node, Num, Power, Product, Quantity, Quotient, Sum, Sym, children, symbols
from guerdon_math.units import DEGREE, PERCENT

_MAX_MAGNITUDE = 100_000
"""Binary logarithm of the largest power that is computed."""


def evaluate(node: Node, at: dict[str, Any], ctx: Any) -> Value:
    """The value of an expression at a point, in an mpmath context (`mpmath.fp` for doubles)."""
    match node:
        case Num(value):
            if value.denominator == 1:
                return ctx.mpf(value.numerator)
            return ctx.mpf(value.numerator) / value.denominator
        case Sym("pi"):
            return +ctx.pi
        case Sym("e"):
            return +ctx.e
        case Sym("i"):
            return ctx.mpc(0, 1)
        case Sym(name):
            if name not in at:
                raise NotMath(f"{name} has no value")
            return at[name]
        case Sum(terms):
            total = evaluate(terms[0], at, ctx)
            for term in terms[1:]:
                total = total + evaluate(term, at, ctx)
            return total
        case Product(factors):
            total = evaluate(factors[0], at, ctx)
            for factor in factors[1:]:
                total = total * evaluate(factor, at, ctx)
            return total
        case Quotient(top, bottom):
            below = evaluate(bottom, at, ctx)
            if abs(below) < tiny(ctx):
                raise Unusable
            return evaluate(top, at, ctx) / below
        case Power(base, exponent):
            return _power(evaluate(base, at, ctx), exponent, at, ctx)
        case Call(name, args):
            function = FUNCTIONS.get(name)
            if function is None:
                raise NotMath(f"{name} is no known function")
            result = function(ctx, *[evaluate(arg, at, ctx) for arg in args])
            if abs(result) * tiny(ctx) > 1:
                raise Unusable  # tan(π/2), but for rounding
            return result
        case Based(_, _, number):
            return ctx.mpf(number)
        case Quantity(body, unit) if unit == PERCENT:
            return evaluate(body, at, ctx) / 100
        case Quantity(body, unit) if unit == DEGREE:
            return evaluate(body, at, ctx) * ctx.pi / 180
        case _:
            raise NotMath("no expression of numbers")


def _power(base: Value, exponent_node: Node, at: dict[str, Any], ctx: Any) -> Value:
    exponent = evaluate(exponent_node, at, ctx)
    if base == 0:
        if is_real(exponent, ctx) and exponent > 0:
            return ctx.mpf(0)
        raise Unusable
    if abs(base) < tiny(ctx) and not (is_real(exponent, ctx) and exponent > 0):
        raise Unusable
    magnitude = abs(ctx.log(abs(base), 2)) * abs(exponent)
    if magnitude > _MAX_MAGNITUDE:
        raise Undecided("a power too large to be computed")
    if ctx is mpmath.fp and magnitude > 1000:
        raise Unusable
    if is_real(exponent, ctx) and exponent == int(exponent):
        return base ** int(exponent)
    if is_real(base, ctx) and real_part(base, ctx) < 0 and is_real(exponent, ctx):
        odd = _odd_denominator(exponent_node)
        if odd is not None:
            value = abs(base) ** exponent
            return -value if odd % 2 else value
    if ctx is mpmath.fp and isinstance(base, float) and base < 0:
        base = complex(base)
    return base**exponent


def _odd_denominator(node: Node) -> int | None:
    """The numerator of a constant exponent p/q with q odd: such roots of negative numbers are taken real."""
    match node:
        case Num(value):
            found = value
        case Quotient(Num(top), Num(bottom)) if bottom:
            found = top / bottom
        case Product([Num(sign), Quotient(Num(top), Num(bottom))]) if bottom:
            found = sign * top / bottom
        case _:
            return None
    return found.numerator if found.denominator % 2 else None


# Where variables are tried: signs differ, so that |x| is told from x; whole numbers are there for n! and (-1)^n.
_RANGES = (
    (0.1, 0.9),
    (0.2, 0.8),
    (0.1, 1.5),
    (0.3, 0.7),
    (1.1, 3.9),
    (-0.9, -0.1),
    (-4.0, 4.0),
    (4.0, 60.0),
    (100.0, 900.0),
    (-60.0, -4.0),
)
_WHOLE = ((1, 9), (2, 12), (-9, 9))
_COUNTS = ((1, 9), (2, 12), (10, 40), (3, 25))
_COUNTING = frozenset({"N", "k", "m", "n"})
"""Letters that are whole numbers where they stand in a floor or a ceiling."""
_CLOSE_LOOKS = 12
"""At so many points more digits are looked at; where functions have steps, doubles look at the others."""
_STEPS = frozenset({"abs", "floor", "ceil", "sgn", "max", "min", "factorial2", "gcd", "lcm"})


def points(names: list[str], stepped: bool, counting: bool = False) -> Iterator[tuple[str, dict[str, Fraction]]]:
    """Points to compare at, each with how it reads; the same ones on every call. More where functions have steps."""
    rng = random.Random(20250131)
    if counting:
        for _ in range(8):
            for first, last in _COUNTS:
                point = {name: Fraction(rng.randint(first, last)) for name in names}
                yield ", ".join(f"{k}={v}" for k, v in list(point.items())[:3]), point
        return
    for _ in range(6 if stepped else 1):
        for low, high in _RANGES:
            point = {name: Fraction(round(rng.uniform(low, high) * 997), 997) for name in names}
            yield ", ".join(f"{k}={float(v):.3g}" for k, v in list(point.items())[:3]), point
        for first, last in _WHOLE:
            point = {name: Fraction(rng.randint(first, last)) for name in names}
            yield ", ".join(f"{k}={v}" for k, v in list(point.items())[:3]), point


def height(node: Node) -> int:
    """About how many digits it takes to write down the node's value: how well it could feign another."""
    match node:
        case Num(value):
            return len(str(value.numerator)) + len(str(value.denominator)) if value.denominator != 1 else _digits(value)
        case Power(base, exponent):
            if isinstance(exponent, Num) and exponent.value.denominator == 1:
                return height(base) * max(1, abs(exponent.value.numerator))
            return height(base) + 4 * height(exponent) + _size(exponent)
        case _:
            return 1 + sum(height(child) for child in children(node))


def _digits(value: Fraction) -> int:
    return value.numerator.bit_length() * 3 // 10 + 1


def _size(node: Node) -> int:
    """A bound on the digits of e to this power, for exponents that are plain numbers."""
    sizes = [abs(int(child.value)) for child in _leaves(node) if isinstance(child, Num)]
    product = 1
    for size in sizes:
        product = min(product * max(size, 1), 10**6)
    return product if product > 20 else 0


def _leaves(node: Node) -> Iterator[Node]:
    stack = [node]
    while stack:
        top = stack.pop()
        below = children(top)
        if below:
            stack.extend(below)
        else:
            yield top


def _leaf_count(a: Node, b: Node) -> int:
    return sum(1 for node in (a, b) for _ in _leaves(node))


def _cost(size: int, digits: int, functions: set[str]) -> int:
    """What it costs to evaluate expressions of so many leaves to so many digits."""
    return size * (20 + digits * digits // 5_000) * (1 + digits // 25 if functions & {"factorial", "binom"} else 1)


def _functions(node: Node) -> set[str]:
    found: set[str] = set()
    stack = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, Call):
            found.add(top.name)
        stack.extend(children(top))
    return found


def compare(a: Node, b: Node) -> tuple[bool, str]:
    """Whether two expressions agree numerically, and how that was found.

    Constants agree to more digits than expressions of their size can feign; expressions with variables agree at every
    point where either is real, four at least.

    Raises:
        Undecided: too few points, or more digits than are affordable.
        Undefined: an expression without a value.
        NotMath: something in them has no numeric value.
    """
    names = sorted(symbols(a) | symbols(b))
    functions = _functions(a) | _functions(b)
    if not names:
        return _constants(a, b)
    complex_too = _mentions_i(a) or _mentions_i(b)
    stepped = bool(functions & _STEPS) and len(names) <= 3
    counting = bool(functions & {"floor", "ceil"}) and _COUNTING.issuperset(names)
    digits = _precision(a, b)
    tried = 0
    size = _leaf_count(a, b) * 2
    cost = _cost(size, digits, functions)
    with mpmath.workdps(digits):
        for where, point in points(names, stepped, counting):
            spend(size // 2)
            left, right = _value(a, point, mpmath.fp), _value(b, point, mpmath.fp)
            apart = _clearly_apart(left, right)
            if not apart and (tried >= _CLOSE_LOOKS or not _usable(left, right, complex_too)):
                continue
            spend(cost)
            left, right = _value(a, point, mpmath.mp), _value(b, point, mpmath.mp)
            if _apart(left, right, complex_too, digits):
                return False, f"differ at {where}"
            tried += not apart and _usable(left, right, complex_too)
    if tried < 3:
        raise Undecided("too few points where both have a value")
    return True, f"agree to {digits - 15} digits at {tried} points"


def _constants(a: Node, b: Node) -> tuple[bool, str]:
    size = _leaf_count(a, b)
    spend(4 + size)
    left, right = _value(a, {}, mpmath.fp), _value(b, {}, mpmath.fp)
    if left is not None and right is not None and abs(left - right) > 1e-6 * (abs(left) + abs(right)) + 1e-300:
        spend(10 + 5 * size)
        with mpmath.workdps(50):
            left, right = _value(a, {}, mpmath.mp), _value(b, {}, mpmath.mp)
        if left is not None and right is not None and abs(left - right) > 1e-9 * (abs(left) + abs(right)):
            return False, f"refuted numerically: {_short(left)} is not {_short(right)}"
    digits = _precision(a, b)
    spend(_cost(size, digits, _functions(a) | _functions(b)))
    with mpmath.workdps(digits):
        left, right = _value(a, {}, mpmath.mp), _value(b, {}, mpmath.mp)
        if left is None or right is None:
            raise Undefined("no value")
        if _apart(left, right, True, digits):
            return False, f"refuted numerically: {_short(left)} is not {_short(right)}"
    return True, f"agree to {digits - 15} digits"


def _short(value: Value) -> str:
    return str(mpmath.nstr(value, 8))


def _precision(a: Node, b: Node) -> int:
    digits = 50 + 2 * (height(a) + height(b))
    if digits > MAX_DIGITS:
        raise Undecided("more digits than can be compared")
    return digits


def _mentions_i(node: Node) -> bool:
    return any(isinstance(leaf, Sym) and leaf.name == "i" for leaf in _leaves(node))


def _value(node: Node, point: dict[str, Fraction], ctx: Any) -> Value:
    """The value at a point; `None` where there is none."""
    try:
        at = {name: ctx.mpf(v.numerator) / v.denominator for name, v in point.items()}
        value = evaluate(node, at, ctx)
        if not _finite(value):
            return None
        return value
    except (Unusable, ZeroDivisionError, ValueError, OverflowError):
        return None
    except Undecided:
        if point:
            return None
        raise


def _finite(value: Value) -> bool:
    return cmath.isfinite(value) if isinstance(value, (float, complex, int)) else bool(mpmath.isfinite(value))


def _usable(a: Value, b: Value, complex_too: bool) -> bool:
    """Whether both have a value here, a real one if only these count."""
    if a is None or b is None:
        return False
    return complex_too or not any(abs(value.imag) > 1e-9 * (1 + abs(value)) for value in (a, b))


def _clearly_apart(a: Value, b: Value) -> bool:
    """Whether doubles suggest a difference, which more digits must then confirm."""
    if a is None or b is None:
        return (a is None) != (b is None)
    return bool(abs(a - b) > 1e-6 * (abs(a) + abs(b)) + 1e-12)


def _apart(a: Value, b: Value, complex_too: bool, digits: int) -> bool:
    """Whether two values differ, or only one of them is real."""
    if a is None or b is None:
        # a pole of one alone may be removable
        return False
    if not complex_too:
        real_a, real_b = _almost_real(a, digits), _almost_real(b, digits)
        if not real_a and not real_b:
            return False
        if real_a != real_b:
            return True
    return bool(abs(a - b) > mpmath.mpf(10) ** (15 - digits) * (1 + abs(a) + abs(b)))


def _almost_real(value: Value, digits: int) -> bool:
    if not isinstance(value, (complex, mpmath.mpc)):
        return True
    return bool(abs(value.imag) <= mpmath.mpf(10) ** (15 - digits) * (1 + abs(value.real)))
