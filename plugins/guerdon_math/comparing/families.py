"""Families of solutions: π/6 + kπ with every integer k, n ≡ 2 (mod 4). Two lists of them may be the same set."""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import TypeAlias

from guerdon_math.comparing import polynomials as poly
from guerdon_math.comparing.form import ONE, form
from guerdon_math.comparing.signs import count_signs, written_out
from guerdon_math.limits import NotMath, Undecided, Undefined, spend
from guerdon_math.tree import Node, Relation, Seq, Sym, symbols

PARAMETERS = frozenset("klmnt")
"""Letters that may stand for every integer."""
_MAX_RESIDUES = 400
_PI: poly.Mono = (("pi", 1),)
_UNKNOWNS = frozenset({"x", "theta", "alpha", "beta", "phi", "t", "z"})


Shift: TypeAlias = tuple[tuple[poly.Mono, poly.Scalar], ...]
Residue: TypeAlias = tuple[poly.Mono, Fraction, Shift]


@dataclass(slots=True, frozen=True)
class Family:
    """offset + period·k times a unit (π or 1), shifted by what is no multiple of the unit."""

    unit: poly.Mono
    offset: Fraction
    period: Fraction
    shift: Shift
    name: str
    """The unknown that is said to be in it, if one is named."""


def same_families(gold: Node, answer: Node, integers: bool) -> bool:
    """Whether both sides list families of angles or of residues, and the same ones.

    `integers`: whether it is said that the parameter is an integer. Where it is not, only x = kπ and lists of
    such are families; (n + 1)π may be an area.
    """
    try:
        integers = integers or _names_unknown(gold) or _names_unknown(answer)
        left, right = _families(gold, integers), _families(answer, integers)
        names, others = ({family.name for family in side} - {"", "_"} for side in (left, right))
        return bool(left and right) and len(names | others) < 2 and _residues(left) == _residues(right)
    except (NotMath, Undecided, Undefined):
        return False


def _names_unknown(node: Node) -> bool:
    """Whether a side says x = ..., which is solved, rather than gives a value such as kπ."""
    items = node.items if isinstance(node, Seq) and node.opener == "" else [node]
    return (
        isinstance(items[0], Relation) and symbols(items[0].sides[0]) <= _UNKNOWNS and bool(symbols(items[0].sides[0]))
    )


def _families(node: Node, integers: bool) -> list[Family]:
    """The families that a node lists; none if anything in it is something else."""
    if count_signs(node):
        node = written_out(node, True)
    items = node.items if isinstance(node, Seq) and node.opener in ("", "\\{") else [node]
    modular = all(isinstance(item, Relation) and "mod" in item.ops for item in items)
    found = [_modular(item) if modular else _linear(item, integers or len(items) > 1) for item in items]
    return [family for family in found if family is not None] if all(found) else []


def _modular(node: Node) -> Family | None:
    if not isinstance(node, Relation) or node.ops != ["==", "mod"] or not isinstance(node.sides[0], Sym):
        return None
    residue, modulus = (form(side).rational() for side in node.sides[1:])
    if residue is None or not modulus:
        return None
    period = abs(Fraction(modulus))
    return Family(poly.UNIT, Fraction(residue) % period, period, (), node.sides[0].name)


def _linear(node: Node, integers: bool) -> Family | None:
    label = ""
    if isinstance(node, Relation):
        if node.ops != ["="] or not isinstance(node.sides[0], Sym) or node.sides[0].name in symbols(node.sides[1]):
            return None
        label, node = node.sides[0].name, node.sides[1]
    names = symbols(node) & PARAMETERS
    if len(names) != 1 or len(symbols(node)) != 1:
        return None
    (name,) = names
    found = form(node)
    if found.bottom != ONE:
        return None
    with_name = {mono: c for mono, c in found.top.items() if any(atom == name for atom, _ in mono)}
    if len(with_name) != 1:
        return None
    ((mono, period),) = with_name.items()
    unit = tuple(pair for pair in mono if pair != (name, 1))
    if unit not in (_PI, poly.UNIT) or len(mono) != len(unit) + 1:
        return None
    # 4k + 2 is a family only as n = 4k + 2
    if not integers or (unit == poly.UNIT and not label):
        return None
    offset = Fraction(found.top.get(unit, 0))
    size = abs(Fraction(period))
    shift = {m: c for m, c in found.top.items() if m not in (mono, unit)}
    if any(re.search(rf"(?<![A-Za-z]){name}(?![A-Za-z])", atom) for m in shift for atom, _ in m):
        return None  # (-1)^k
    return Family(unit, offset % size, size, tuple(sorted(shift.items())), label)


def _residues(families: list[Family]) -> set[tuple[poly.Mono, Fraction, Fraction, Shift]]:
    """Every offset within the common period; the period is the same for whoever lists the same set."""
    periods = [family.period for family in families]
    common = Fraction(
        lcm(*(period.numerator * (_denominator(periods) // period.denominator) for period in periods)),
        _denominator(periods),
    )
    if sum(common / family.period for family in families) > _MAX_RESIDUES:
        raise Undecided("many residues")
    spend(_MAX_RESIDUES)
    spread = {
        (family.unit, (family.offset + family.period * k) % common, family.shift)
        for family in families
        for k in range(int(common / family.period))
    }
    least = _least_period(spread, common)
    return {(unit, offset % least, least, shift) for unit, offset, shift in spread}


def _denominator(periods: list[Fraction]) -> int:
    return lcm(*(period.denominator for period in periods))


def _least_period(spread: set[Residue], common: Fraction) -> Fraction:
    """The smallest shift that leaves a periodic set as it is."""
    count = len(spread)
    for parts in range(count, 1, -1):
        step = common / parts
        if count % parts == 0 and {(u, (offset + step) % common, s) for u, offset, s in spread} == spread:
            return step
    return common
