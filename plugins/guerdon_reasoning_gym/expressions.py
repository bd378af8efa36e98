"""Expressions read without running them: what stands in for `eval` and sympy's `parse_expr`, which runs code too."""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import sympy

LARGEST_POWER = 100_000
"""Bits. A larger number is nobody's answer, and may take for ever."""


def _power(base: Any, exponent: Any) -> Any:
    if base.is_Rational and exponent.is_Integer:
        bits = max(int(base.p).bit_length(), int(base.q).bit_length()) * abs(int(exponent))
        if bits > LARGEST_POWER and base not in (-1, 0, 1):
            raise ValueError("too large a power")
    return base**exponent


OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: _power,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
BITWISE: dict[type[ast.AST], Callable[..., Any]] = {
    **{kind: OPERATORS[kind] for kind in (ast.Add, ast.Sub, ast.Mult, ast.UAdd, ast.USub)},
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_,
    ast.BitXor: operator.xor,
    ast.Invert: operator.invert,
}
FUNCTIONS = {
    name: getattr(sympy, name)
    for name in (
        *("sin", "cos", "tan", "cot", "sec", "csc", "asin", "acos", "atan", "acot", "asec", "acsc"),
        *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "exp", "log", "ln", "sqrt", "Abs"),
    )
}
CONSTANTS = {"pi": sympy.pi, "E": sympy.E, "I": sympy.I}


def sympy_expression(text: str, local_dict: Mapping[str, Any] | None = None) -> Any:
    """As `sympy.parse_expr`: arithmetic, names and elementary functions. Raises ValueError for anything else."""
    names = {**CONSTANTS, **(local_dict or {})}

    def leaf(node: ast.AST) -> Any:
        match node:
            case ast.Constant(value=int() as value) if not isinstance(value, bool):
                return sympy.Integer(value)
            case ast.Constant(value=float() as value):
                return sympy.Float(value)
            case ast.Name(id=name):
                return names[name] if name in names else sympy.Symbol(name)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in FUNCTIONS:
                return FUNCTIONS[name](*(_value(one, OPERATORS, leaf) for one in arguments))
        raise ValueError(f"no expression: {type(node).__name__}")

    return _value(_parsed(text), OPERATORS, leaf)


def whole_number(text: str) -> int:
    """As `eval`, for whole numbers and the operators on their bits. Raises ValueError for anything else."""

    def leaf(node: ast.AST) -> int:
        match node:
            case ast.Constant(value=int() as value) if not isinstance(value, bool):
                return value
        raise ValueError(f"no whole number: {type(node).__name__}")

    number: int = _value(_parsed(text), BITWISE, leaf)
    return number


def _parsed(text: str) -> ast.expr:
    return ast.parse(text.strip(), mode="eval").body


def _value(node: ast.AST, operators: Mapping[type[ast.AST], Callable[..., Any]], leaf: Callable[[ast.AST], Any]) -> Any:
    match node:
        case ast.BinOp(left=left, op=op, right=right) if type(op) in operators:
            return operators[type(op)](_value(left, operators, leaf), _value(right, operators, leaf))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in operators:
            return operators[type(op)](_value(operand, operators, leaf))
    return leaf(node)
