"""The functions that are computed numerically, each for any mpmath context."""

from collections.abc import Callable
from typing import Any

import mpmath

from guerdon_math.limits import Undecided

Value = Any
"""A real or complex number of whichever mpmath context computes it."""


class Unusable(Exception):
    """No value at this point: a pole, or an overflow."""


def tiny(ctx: Any) -> Any:
    """What may be zero but for rounding."""
    return 1e-12 if ctx is mpmath.fp else ctx.eps * 10**10


def is_real(value: Value, ctx: Any) -> bool:
    return not isinstance(value, (complex, mpmath.mpc)) or value.imag == 0


def real_part(value: Value, ctx: Any) -> Value:
    return value.real if isinstance(value, (complex, mpmath.mpc)) else value


def _whole(ctx: Any, value: Value) -> int:
    if not is_real(value, ctx):
        raise Unusable
    value = real_part(value, ctx)
    nearest = int(mpmath.nint(value))
    if abs(value - nearest) > 1e-9 or abs(nearest) > 10**6:
        raise Unusable
    return nearest


def _factorial(ctx: Any, value: Value) -> Value:
    if not is_real(value, ctx) or abs(value) > 3_000:
        raise Undecided("a huge factorial")
    if value < 0 and value == int(value):
        raise Unusable
    return ctx.gamma(value + 1)


def _double_factorial(ctx: Any, value: Value) -> Value:
    n = _whole(ctx, value)
    if not 0 <= n <= 1000:
        raise Unusable
    product = ctx.mpf(1)
    for k in range(n, 0, -2):
        product *= k
    return product


def _binomial(ctx: Any, n: Value, k: Value) -> Value:
    if max(abs(n), abs(k)) > 10**6:
        raise Undecided("a huge binomial")
    return ctx.binomial(n, k)


def _log(ctx: Any, value: Value) -> Value:
    if value == 0:
        raise Unusable
    return ctx.ln(value)


def _inverse(function: Callable[[Any], Callable[[Value], Value]]) -> Callable[[Any, Value], Value]:
    def inverse(ctx: Any, value: Value) -> Value:
        if value == 0:
            raise Unusable
        return function(ctx)(1 / value)

    return inverse


def _reciprocal(function: Callable[[Any], Callable[[Value], Value]]) -> Callable[[Any, Value], Value]:
    def reciprocal(ctx: Any, value: Value) -> Value:
        below = function(ctx)(value)
        if below == 0:
            raise Unusable
        return 1 / below

    return reciprocal


def _part(pick: Callable[[Any, Value], Value]) -> Callable[[Any, Value], Value]:
    def part(ctx: Any, value: Value) -> Value:
        if not is_real(value, ctx):
            raise Unusable
        return pick(ctx, real_part(value, ctx))

    return part


def _clear_of(ctx: Any, value: Value, step: Value) -> Value:
    """The value, if rounding cannot have moved it across a step."""
    if value != step and abs(value - step) < tiny(ctx) * (1 + abs(value)):
        raise Unusable
    return value


def _extreme(pick: Callable[..., Value]) -> Callable[..., Value]:
    def extreme(ctx: Any, *values: Value) -> Value:
        if not values or not all(is_real(v, ctx) for v in values):
            raise Unusable
        return pick(real_part(v, ctx) for v in values)

    return extreme


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "sin": lambda ctx, x: ctx.sin(x),
    "cos": lambda ctx, x: ctx.cos(x),
    "tan": lambda ctx, x: ctx.tan(x),
    "sec": _reciprocal(lambda ctx: ctx.cos),
    "csc": _reciprocal(lambda ctx: ctx.sin),
    "cot": _reciprocal(lambda ctx: ctx.tan),
    "arcsin": lambda ctx, x: ctx.asin(x),
    "arccos": lambda ctx, x: ctx.acos(x),
    "arctan": lambda ctx, x: ctx.atan(x),
    "arccot": lambda ctx, x: ctx.pi / 2 - ctx.atan(x),
    "arcsec": _inverse(lambda ctx: ctx.acos),
    "arccsc": _inverse(lambda ctx: ctx.asin),
    "sinh": lambda ctx, x: ctx.sinh(x),
    "cosh": lambda ctx, x: ctx.cosh(x),
    "tanh": lambda ctx, x: ctx.tanh(x),
    "coth": _reciprocal(lambda ctx: ctx.tanh),
    "sech": _reciprocal(lambda ctx: ctx.cosh),
    "csch": _reciprocal(lambda ctx: ctx.sinh),
    "arsinh": lambda ctx, x: ctx.asinh(x),
    "arcosh": lambda ctx, x: ctx.acosh(x),
    "artanh": lambda ctx, x: ctx.atanh(x),
    "ln": _log,
    "abs": lambda ctx, x: abs(x),
    "floor": _part(lambda ctx, x: ctx.floor(_clear_of(ctx, x, ctx.floor(x + 0.5)))),
    "ceil": _part(lambda ctx, x: ctx.ceil(_clear_of(ctx, x, ctx.floor(x + 0.5)))),
    "sgn": _part(lambda ctx, x: ctx.sign(_clear_of(ctx, x, 0))),
    "factorial": _factorial,
    "factorial2": _double_factorial,
    "binom": _binomial,
    "max": _extreme(max),
    "min": _extreme(min),
    "conjugate": lambda ctx, x: ctx.conj(x),
    "Re": lambda ctx, x: ctx.re(x),
    "Im": lambda ctx, x: ctx.im(x),
    "arg": lambda ctx, x: ctx.arg(x),
}
