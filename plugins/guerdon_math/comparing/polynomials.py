"""Polynomials over the rationals in atoms: symbols, roots of primes, constants and function values.

A polynomial is a dict from monomials to coefficients; a monomial is a sorted tuple of (atom, exponent).
Exponents may be fractions: the atom of `\\sqrt 3` is the prime 3 with exponent 1/2, and since products of such roots
are linearly independent over the rationals (Besicovitch 1940), equal numbers have equal polynomials.
"""

from fractions import Fraction
from math import gcd
from typing import TypeAlias

from guerdon_math.limits import MAX_BITS, MAX_TERMS, Undecided, spend

Scalar: TypeAlias = int | Fraction
Mono: TypeAlias = tuple[tuple[str, Scalar], ...]
Poly: TypeAlias = dict[Mono, Scalar]

UNIT: Mono = ()
PRIME = "#"
"""Atoms that begin so are primes; their exponents are kept between 0 and 1."""


def constant(value: Scalar) -> Poly:
    return {UNIT: simple(value)} if value else {}


def simple(value: Scalar) -> Scalar:
    """An int where it is one: int arithmetic is ten times faster than Fraction's."""
    if isinstance(value, Fraction) and value.denominator == 1:
        return value.numerator
    return value


def bits(value: Scalar) -> int:
    if isinstance(value, int):
        return value.bit_length()
    return max(value.numerator.bit_length(), value.denominator.bit_length())


def checked(value: Scalar) -> Scalar:
    if bits(value) > MAX_BITS:
        raise Undecided("numbers too large to be computed exactly")
    return value


def add(a: Poly, b: Poly, factor: Scalar = 1) -> Poly:
    """a + factor·b"""
    out = dict(a)
    for mono, coefficient in b.items():
        total = simple(out.get(mono, 0) + factor * coefficient)
        if total:
            out[mono] = checked(total)
        else:
            out.pop(mono, None)
    if len(out) > MAX_TERMS:
        raise Undecided("too many terms")
    return out


def multiply(a: Poly, b: Poly) -> Poly:
    if len(a) * len(b) > MAX_TERMS * 25:
        raise Undecided("too many terms")
    spend(1 + len(a) * len(b) // 2)
    out: Poly = {}
    for mono_a, coefficient_a in a.items():
        for mono_b, coefficient_b in b.items():
            mono, extra = join(mono_a, mono_b)
            total = simple(out.get(mono, 0) + coefficient_a * coefficient_b * extra)
            if total:
                out[mono] = checked(total)
            else:
                out.pop(mono, None)
    if len(out) > MAX_TERMS:
        raise Undecided("too many terms")
    return out


def join(a: Mono, b: Mono) -> tuple[Mono, Scalar]:
    """The product of two monomials, and the number that i² and whole powers of primes leave over."""
    if not a:
        return b, 1
    if not b:
        return a, 1
    exponents = dict(a)
    for atom, exponent in b:
        exponents[atom] = simple(exponents.get(atom, 0) + exponent)
    return reduced(exponents)


def reduced(exponents: dict[str, Scalar]) -> tuple[Mono, Scalar]:
    """A monomial in normal form and the number taken out of it."""
    number: Scalar = 1
    out: list[tuple[str, Scalar]] = []
    for atom, given in exponents.items():
        exponent = given
        if atom[0] == PRIME:
            whole = exponent // 1
            if whole:
                number *= power_of(int(atom[1:]), int(whole))
                exponent -= whole
        elif atom == "i" and isinstance(exponent, int):
            exponent %= 4
            if exponent >= 2:
                number, exponent = -number, exponent - 2
        if exponent:
            out.append((atom, simple(exponent)))
    out.sort(key=_atom)
    return tuple(out), number


def _atom(pair: tuple[str, Scalar]) -> str:
    return pair[0]


def power_of(base: Scalar, exponent: int) -> Scalar:
    """base**exponent, refused before it is computed if it is too large."""
    if abs(exponent) * max(1, bits(base) - 1 if bits(base) > 1 else 0) > MAX_BITS and abs(base) != 1:
        raise Undecided("numbers too large to be computed exactly")
    if exponent >= 0:
        return base**exponent
    return simple(Fraction(1) / Fraction(base) ** -exponent)


def power(a: Poly, n: int) -> Poly:
    """a**n for n >= 0."""
    if len(a) == 1:
        ((mono, coefficient),) = a.items()
        joined, extra = reduced({atom: exponent * n for atom, exponent in mono})
        return {joined: checked(simple(power_of(coefficient, n) * extra))}
    if n > 1 and (n > 64 or (len(a) - 1) * n > MAX_TERMS):
        raise Undecided("a power too large to be expanded")
    out = constant(1)
    square = a
    while n:
        if n & 1:
            out = multiply(out, square)
        n >>= 1
        if n:
            square = multiply(square, square)
    return out


def content(a: Poly) -> Fraction:
    """The positive rational that, taken out, leaves coprime integer coefficients."""
    top = bottom = 0
    for coefficient in a.values():
        value = Fraction(coefficient)
        top = gcd(top, value.numerator)
        bottom = bottom * value.denominator // gcd(bottom, value.denominator) if bottom else value.denominator
        if bottom.bit_length() > MAX_BITS:
            raise Undecided("numbers too large to be computed exactly")
    return Fraction(top, bottom)


def spelled(a: Poly) -> str:
    """A canonical spelling; equal polynomials have equal ones."""
    terms = []
    for mono, coefficient in sorted(a.items(), key=lambda item: str(item[0])):
        terms.append("*".join([str(coefficient), *(f"{atom}^{exponent}" for atom, exponent in mono)]))
    return "+".join(terms) or "0"
