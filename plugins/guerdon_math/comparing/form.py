"""Exact normal form of an expression: a quotient of two polynomials in atoms.

Forms that agree prove equality. Where only rationals, symbols, π, i and roots of primes occur, forms that differ
prove the contrary as well.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import comb, factorial, gcd, lcm

from guerdon_math.comparing import polynomials as poly
from guerdon_math.comparing.polynomials import PRIME, Poly, Scalar
from guerdon_math.limits import MAX_BITS, NotMath, Undecided, Undefined
from guerdon_math.tree import Based, Call, Node, Num, Power, Product, Quantity, Quotient, Sum, Sym
from guerdon_math.units import DEGREE, PERCENT

ONE: Poly = poly.constant(1)
_TRIAL = 1_000
"""Trial division goes so far."""


@dataclass(slots=True)
class Form:
    """top/bottom. `decisive`: a form that differs from this one is another value."""

    top: Poly
    bottom: Poly
    decisive: bool = True

    def rational(self) -> Scalar | None:
        """The value, if it is a rational number."""
        if self.bottom == ONE and (not self.top or (len(self.top) == 1 and poly.UNIT in self.top)):
            return self.top.get(poly.UNIT, 0)
        return None

    def spelled(self) -> str:
        top = poly.spelled(self.top)
        return top if self.bottom == ONE else f"({top})/({poly.spelled(self.bottom)})"


def number(value: Scalar) -> Form:
    return Form(poly.constant(poly.checked(value)), ONE)


def atom(name: str, exponent: Scalar = 1, decisive: bool = True) -> Form:
    return Form({((name, poly.simple(exponent)),): 1}, ONE, decisive)


def same(a: Form, b: Form) -> bool | None:
    """Whether two forms are equal; `None` if the forms alone cannot tell."""
    if a.top == b.top and a.bottom == b.bottom:
        return True
    if a.bottom != b.bottom and poly.multiply(a.top, b.bottom) == poly.multiply(b.top, a.bottom):
        return True
    return False if a.decisive and b.decisive else None


def form(node: Node) -> Form:
    """The normal form of an expression.

    Raises:
        Undefined: it divides by zero.
        Undecided: it is too large.
        NotMath: it is no expression of numbers.
    """
    match node:
        case Num(value):
            return number(poly.simple(value))
        case Sym("oo"):
            raise NotMath("arithmetic with infinity")
        case Sym(name):
            return atom(name, decisive=name not in ("e", "…"))
        case Sum(terms):
            total = form(terms[0])
            for term in terms[1:]:
                total = plus(total, form(term))
            return total
        case Product(factors):
            result = form(factors[0])
            for factor in factors[1:]:
                result = times(result, form(factor))
            return result
        case Quotient(top, bottom):
            return over(form(top), form(bottom))
        case Power(Num(value), exponent) if value in (0, 1) and _surely_positive(exponent):
            return number(int(value))
        case Power(base, exponent):
            return to_power(form(base), form(exponent))
        case Call(name, args):
            return call(name, [form(arg) for arg in args])
        case Based(_, _, value):
            return number(value)
        case Quantity(body, unit) if unit == PERCENT:
            return over(form(body), number(100))
        case Quantity(body, unit) if unit == DEGREE:
            return times(form(body), over(atom("pi"), number(180)))
        case _:
            raise NotMath("no expression of numbers")


def _surely_positive(node: Node) -> bool:
    """Whether a node is positive by its looks, however large it is."""
    match node:
        case Num(value):
            return value > 0
        case Power(base, _):
            return _surely_positive(base)
        case Sum(nodes) | Product(nodes):
            return all(map(_surely_positive, nodes))
        case Quotient(top, bottom):
            return _surely_positive(top) and _surely_positive(bottom)
        case _:
            return False


def plus(a: Form, b: Form) -> Form:
    if a.bottom == b.bottom:
        return Form(poly.add(a.top, b.top), a.bottom, a.decisive and b.decisive)
    top = poly.add(poly.multiply(a.top, b.bottom), poly.multiply(b.top, a.bottom))
    return Form(top, poly.multiply(a.bottom, b.bottom), a.decisive and b.decisive)


def times(a: Form, b: Form) -> Form:
    bottom = a.bottom if b.bottom == ONE else b.bottom if a.bottom == ONE else poly.multiply(a.bottom, b.bottom)
    return Form(poly.multiply(a.top, b.top), bottom, a.decisive and b.decisive)


def over(a: Form, b: Form) -> Form:
    if not b.top:
        raise Undefined("division by zero")
    decisive = a.decisive and b.decisive
    if len(b.top) == 1:
        ((mono, coefficient),) = b.top.items()
        joined, extra = poly.reduced({name: -exponent for name, exponent in mono})
        inverse = {joined: poly.simple(Fraction(extra) / Fraction(coefficient))}
        return Form(poly.multiply(poly.multiply(a.top, b.bottom), inverse), a.bottom, decisive)
    return Form(poly.multiply(a.top, b.bottom), poly.multiply(a.bottom, b.top), decisive)


def to_power(base: Form, exponent: Form) -> Form:
    n = exponent.rational()
    if n is None:
        return symbolic_power(base, exponent)
    if isinstance(n, int):
        if n == 0 and not base.top:
            raise Undefined("0^0")
        if n < 0:
            return to_power(over(number(1), base), number(-n))
        if poly.bits(n) > 40 and base.rational() not in (0, 1, -1):
            raise Undecided("a huge exponent")
        bottom = base.bottom if base.bottom == ONE else poly.power(base.bottom, n)
        return Form(poly.power(base.top, n) if base.top else {}, bottom, base.decisive)
    return root(base, n)


def root(base: Form, n: Fraction) -> Form:
    """base**n for a fraction n; odd roots of negative numbers are real."""
    if not base.top:
        if n < 0:
            raise Undefined("division by zero")
        return base
    if base.bottom != ONE:
        return atom(f"({base.spelled()})", n, decisive=False)
    if len(base.top) == 1:
        ((mono, coefficient),) = base.top.items()
        if not mono:
            return number_root(coefficient, n)
        if all(name[0] == PRIME or name in ("pi", "e") for name, _ in mono) and coefficient > 0:
            joined, extra = poly.reduced({name: exponent * n for name, exponent in mono})
            return times(number_root(coefficient, n), Form({joined: extra}, ONE, base.decisive))
        if len(mono) == 1 and mono[0][1] == 1 and coefficient > 0 and mono[0][0] not in ("i", "…"):
            return times(number_root(coefficient, n), atom(mono[0][0], n, base.decisive))
    content = poly.content(base.top)
    primitive = {mono: poly.simple(value / content) for mono, value in base.top.items()}
    whole = n // 1
    result = times(
        number_root(poly.simple(content), n), atom(f"({poly.spelled(primitive)})", n - whole, decisive=False)
    )
    return times(result, to_power(Form(primitive, ONE), number(whole))) if whole else result


def number_root(value: Scalar, n: Fraction) -> Form:
    """A rational to a fractional power, as a product of powers of primes."""
    if value < 0:
        if n.denominator % 2:
            inner = number_root(-value, n)
            return times(number(-1 if n.numerator % 2 else 1), inner)
        if n.denominator == 2:
            return times(to_power(atom("i"), number(n.numerator)), number_root(-value, n))
        return atom(f"({value})", n, decisive=False)
    fraction = Fraction(value)
    exponents: dict[str, Scalar] = {}
    decisive = True
    for part, sign in ((fraction.numerator, 1), (fraction.denominator, -1)):
        primes, sure = factored(part)
        decisive &= sure
        for prime, exponent in primes.items():
            exponents[f"{PRIME}{prime}"] = exponents.get(f"{PRIME}{prime}", 0) + sign * exponent * n
    joined, extra = poly.reduced(exponents)
    return Form({joined: poly.checked(poly.simple(extra))}, ONE, decisive)


def factored(n: int) -> tuple[dict[int, int], bool]:
    """Prime powers of n, and whether the last one is sure to be prime."""
    if n.bit_length() > MAX_BITS // 4:
        raise Undecided("numbers too large to be factored")
    primes: dict[int, int] = {}
    divisor = 2
    while divisor * divisor <= n and divisor < _TRIAL:
        while n % divisor == 0:
            primes[divisor] = primes.get(divisor, 0) + 1
            n //= divisor
        divisor += 1 if divisor == 2 else 2
    if n == 1:
        return primes, True
    sure = divisor * divisor > n
    if not sure:
        for k in (2, 3):
            near = round(n ** (1 / k)) if n.bit_length() < 100 else 0
            if near and near**k == n:
                primes[near] = k
                return primes, near < _TRIAL**2
    primes[n] = primes.get(n, 0) + 1
    return primes, sure


def symbolic_power(base: Form, exponent: Form) -> Form:
    """base**exponent with symbols above: a^{m+n} is a^m a^n, so each term of the exponent makes an atom of its own."""
    if exponent.bottom != ONE or base.bottom != ONE:
        return atom(f"({base.spelled()})^({exponent.spelled()})", decisive=False)
    value = base.rational()
    if value == 0:
        raise Undecided("a power of zero")
    if value == 1:
        return base
    result = number(1)
    for mono, coefficient in exponent.top.items():
        for name, times_ in _bases(base, value, isinstance(coefficient, int)).items():
            result = times(result, _one_power(base, name, mono, coefficient * times_))
    return result


def _bases(base: Form, value: Scalar | None, whole: bool) -> dict[str, Scalar]:
    """The factors of a base, with their exponents, that may be raised to a power one by one."""
    if value is not None:
        found: dict[str, Scalar] = {}
        fraction = abs(Fraction(value))
        for part, sign in ((fraction.numerator, 1), (fraction.denominator, -1)):
            for prime, exponent in factored(part)[0].items():
                found[f"{PRIME}{prime}"] = found.get(f"{PRIME}{prime}", 0) + sign * exponent
        return found | {"(-1)": 1} if value < 0 else found
    ((mono, coefficient),) = base.top.items() if len(base.top) == 1 else (((), 0),)
    # (x^2)^{n/2} is not x^n where x is negative
    if coefficient == 1 and (whole or all(exponent == 1 for _, exponent in mono)):
        return dict(mono)
    return {f"({base.spelled()})": 1}


def _one_power(base: Form, name: str, mono: poly.Mono, power: Scalar) -> Form:
    """One factor of a base to one term of the exponent."""
    if mono:
        return atom(f"{name.replace(PRIME, '~')}^{poly.spelled({mono: 1})}", power, decisive=False)
    if name[0] == PRIME or name == "(-1)":
        number_base = int(name.strip("#()"))
        if isinstance(power, Fraction):
            return number_root(number_base, power)
        return number(poly.power_of(number_base, power if name[0] == PRIME else power % 2))
    if name[0] == "(":
        return to_power(base, number(power))
    return atom(name, power, decisive=False)


def call(name: str, args: list[Form]) -> Form:
    """A function value: computed where it is rational, else an atom."""
    values = [arg.rational() for arg in args]
    first = values[0] if values else None
    if len(args) == 1 and first is not None:
        exact = _exact(name, first)
        if exact is not None:
            return number(exact)
        if name == "ln" and first > 0:
            return log_of(Fraction(first))
    if len(args) == 2 and name == "binom" and isinstance(first, int) and isinstance(values[1], int):
        return number(binomial(first, values[1]))
    if len(args) == 2 and name == "binom":
        return _symbolic_binomial(args[0], args[1])
    if name in ("gcd", "lcm", "max", "min") and args and all(v is not None for v in values):
        known = [v for v in values if v is not None]
        if name in ("max", "min"):
            return number(max(known) if name == "max" else min(known))
        whole = [v for v in known if isinstance(v, int)]
        if len(whole) == len(known):
            return number((gcd if name == "gcd" else lcm)(*whole))
    return atom(f"{name}({','.join(arg.spelled() for arg in args)})", decisive=False)


def log_of(value: Fraction) -> Form:
    total: Poly = {}
    for part, sign in ((value.numerator, 1), (value.denominator, -1)):
        for prime, exponent in factored(part)[0].items():
            total = poly.add(total, {((f"ln({prime})", 1),): sign * exponent})
    return Form(total, ONE, False)


def _exact(name: str, value: Scalar) -> Scalar | None:
    match name:
        case "abs":
            return value if value > 0 else -value
        case "floor":
            return value // 1
        case "ceil":
            return -(-value // 1)
        case "sgn":
            return (value > 0) - (value < 0)
        case "factorial" | "factorial2":
            if not isinstance(value, int) or value < 0:
                return None
            if value > 1_500:
                raise Undecided("a huge factorial")
            if name == "factorial":
                return factorial(value)
            product = 1
            for k in range(value, 0, -2):
                product *= k
            return product
        case "transpose" | "conjugate" | "det":
            return value
        case _:
            return None


def _symbolic_binomial(n: Form, k: Form) -> Form:
    """n(n-1)/2 for two out of n, else by factorials."""
    few = k.rational()
    if isinstance(few, int) and 0 <= few <= 6:
        result = number(Fraction(1, factorial(few)))
        for step in range(few):
            result = times(result, plus(n, number(-step)))
        return result
    rest = plus(n, times(number(-1), k))
    return over(call("factorial", [n]), times(call("factorial", [k]), call("factorial", [rest])))


def binomial(n: int, k: int) -> int:
    if k < 0 or n < 0:
        raise Undecided("an odd binomial")
    if k > n:
        return 0
    k = min(k, n - k)
    if k * max(n.bit_length(), 1) > MAX_BITS:
        raise Undecided("a huge binomial")
    return comb(n, k)
