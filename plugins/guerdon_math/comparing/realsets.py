"""Sets of real numbers as pieces: intervals, points, unions, inequalities and set-builder notation as one thing."""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

import mpmath

from guerdon_math.comparing import polynomials as poly
from guerdon_math.comparing.form import ONE, Form, form
from guerdon_math.comparing.functions import Unusable
from guerdon_math.comparing.numeric import evaluate
from guerdon_math.comparing.scalars import equal_quantities, infinity, split_unit
from guerdon_math.limits import MAX_ITEMS, NotMath, Undecided, Undefined
from guerdon_math.tree import (
    Builder,
    Call,
    Node,
    Num,
    Product,
    Quotient,
    Relation,
    Seq,
    SetOp,
    Sum,
    Sym,
    negated,
    symbols,
)

INFINITY = Sym("oo")
MINUS_INFINITY = negated(INFINITY)
_FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_MAX_PIECES = 40


@dataclass(slots=True)
class Piece:
    """An interval; a point is closed with equal ends."""

    low: Node
    low_closed: bool
    high: Node
    high_closed: bool


@dataclass(slots=True)
class RealSet:
    """Pieces in any order, and the variable they are said of, if one is named."""

    pieces: list[Piece]
    subject: str = ""


WHOLE_LINE = Piece(MINUS_INFINITY, False, INFINITY, False)


def looks_like_set(node: Node) -> bool:
    """Whether only a set is written so: a union, a builder, an inequality, the reals; not (1, 2)."""
    match node:
        case SetOp() | Builder():
            return True
        case Sum([left, Product([Num(value), Seq("\\{")])]) if value == -1:
            return looks_like_set(left)
        case Sym(name):
            return name.startswith("reals")
        case Relation(_, ops):
            return any(op in ("<", "<=", ">", ">=", "!=", "in", "notin") for op in ops)
        case Seq(opener, closer, items):
            if opener in ("[", "]", "(") and len(items) == 2:
                return (opener, closer) not in (("(", ")"), ("[", "]")) or any(infinity(i) for i in items)
            return opener == "" and any(looks_like_set(item) and not isinstance(item, Seq) for item in items)
        case _:
            return False


def as_set(node: Node) -> RealSet | None:
    """The set of reals that a node denotes; `None` if it denotes none that is understood."""
    match node:
        case Sym("reals"):
            return RealSet([WHOLE_LINE])
        case Sym("reals_ge0" | "reals_+^0" | "reals^+_0"):
            return RealSet([Piece(Num(Fraction(0)), True, INFINITY, False)])
        case Sym("reals+" | "reals^+" | "reals_>0" | "reals_+" | "reals_++" | "reals^*_+" | "reals_+^*"):
            return RealSet([Piece(Num(Fraction(0)), False, INFINITY, False)])
        case Seq("\\{", _, items):
            return RealSet([Piece(item, True, item, True) for item in items])
        case Seq("(" | "[" | "]", closer, [low, high]):
            left, right = _position(low), _position(high)
            if (
                left is not None
                and right is not None
                and left >= right
                and (left > right or node.opener + closer != "[]")
            ):
                return None  # (2, 1) is a point of the plane
            return RealSet([Piece(low, node.opener == "[", high, closer == "]")])
        case Seq("", _, items, joined):
            return _several(items, joined)
        case SetOp(op, left, right):
            return _combined(op, as_set(left), as_set(right))
        case Builder(Relation([subject, Sym(domain)], ["in"]), condition):
            inner = as_set(condition)
            return _whole(inner, domain) if inner is not None and subject == Sym(inner.subject) else None
        case Builder(subject, Seq("", _, [*conditions, Relation([name, Sym(domain)], ["in"])])) if name == subject:
            condition = conditions[0] if len(conditions) == 1 else Seq("", "", conditions, "and")
            return as_set(Builder(Relation([subject, Sym(domain)], ["in"]), condition))
        case Builder(subject, condition):
            inner = as_set(condition)
            return inner if inner is not None and subject == Sym(inner.subject) else None
        case Sum([left, Product([Num(value), Seq("\\{") as right])]) if value == -1:
            return _combined("-", as_set(left), as_set(right))
        case Relation(sides, ops):
            return _from_relation(sides, ops)
        case _:
            return None


_LEAST = dict.fromkeys(("integers+", "integers^+", "naturals+", "naturals*", "naturals_+"), 1.0)
_LEAST |= {"integers": -float("inf"), "naturals": 0.0, "naturals_0": 0.0}


def _whole(real_set: RealSet, domain: str) -> RealSet | None:
    """The whole numbers in a bounded set, 0 being natural (ISO 80000-2); `None` where they are not few."""
    pieces = _merged(real_set.pieces)
    if domain not in _LEAST or pieces is None:
        return None
    found: list[int] = []
    for piece in pieces:
        low, high = _position(piece.low), _position(piece.high)
        if low is None or high is None or not high - max(low, _LEAST[domain]) <= MAX_ITEMS:
            return None
        for value in range(floor(max(low, _LEAST[domain])), ceil(high) + 1):
            at, margin = Num(Fraction(value)), 1e-9 * (1 + abs(value))
            inside = low + margin < value < high - margin
            at_low = abs(value - low) <= margin and piece.low_closed and equal_quantities(piece.low, at).equal
            at_high = abs(value - high) <= margin and piece.high_closed and equal_quantities(piece.high, at).equal
            if value >= _LEAST[domain] and (inside or at_low or at_high):
                found.append(value)
    points: list[Node] = [Num(Fraction(value)) for value in dict.fromkeys(found)]
    return RealSet([Piece(point, True, point, True) for point in points], real_set.subject)


def _several(items: list[Node], joined: str) -> RealSet | None:
    first = items[0]
    if isinstance(first, Relation) and first.ops == ["!="]:
        items = [i if isinstance(i, Relation) else Relation([first.sides[0], i], ["!="]) for i in items]
    if joined != "or" and any(isinstance(item, Seq) and not looks_like_set(item) for item in items):
        return None  # points of the plane, not intervals
    found = [as_set(item) for item in items]
    sets = [s for s in found if s is not None]
    subjects = {s.subject for s in sets if s.subject}
    if len(sets) != len(found) or len(subjects) > 1:
        return None
    subject = next(iter(subjects), "")
    union = RealSet([piece for s in sets for piece in s.pieces], subject)
    if joined == "or":
        return union
    both: RealSet | None = sets[0]
    for other in sets[1:]:
        both = _combined("&", both, other)
    # "x < 1 and x > 3", as people say it, is a union
    return both if both is not None and both.pieces else union


def _from_relation(sides: list[Node], ops: list[str]) -> RealSet | None:
    if ops in (["in"], ["notin"]):
        inner = as_set(sides[1])
        if inner is None:
            return None
        if ops == ["notin"]:
            inner = _complement(inner)
        subject = _subject(sides[0])
        return RealSet(inner.pieces, subject) if inner is not None and subject else None
    if len(sides) == 2 and ops[0] in ("=", "!="):
        left, right = sides
        if not _subject(left) and _subject(right):
            left, right = right, left
        if not _subject(left) or symbols(left) & symbols(right):
            return None
        point = RealSet([Piece(right, True, right, True)], _subject(left))
        return point if ops[0] == "=" else _complement(point)
    if any(op not in _FLIPPED for op in ops) or len(sides) > 3:
        return None
    if len(sides) == 3:
        if _FLIPPED[ops[0]][0] == ops[1][0]:
            return None
        low, middle, high = sides
        if len(symbols(middle)) > 1 and not symbols(low) | symbols(high) and not _subject(middle):
            return _between(low, ops, middle, high)
        a, b = _solved(middle, _FLIPPED[ops[0]], low), _solved(middle, ops[1], high)
        return _combined("&", a, b) if _numeric(low) and _numeric(high) else _direct(low, ops, middle, high)
    left, right = sides
    if (symbols(left) and not symbols(right)) or _subject(left):
        return _solved(left, ops[0], right)
    if (symbols(right) and not symbols(left)) or _subject(right):
        return _solved(right, _FLIPPED[ops[0]], left)
    return None


def _between(low: Node, ops: list[str], middle: Node, high: Node) -> RealSet | None:
    """-1 < x - y < 4 says where x - y lies."""
    try:
        name = form(middle).spelled()
    except (NotMath, Undecided, Undefined):
        return None
    return _direct(low, ops, Sym(name), high)


def _direct(low: Node, ops: list[str], middle: Node, high: Node) -> RealSet | None:
    if not _subject(middle) or any(isinstance(end, Call) for end in (low, high)):
        return None
    if ops[0][0] == ">":
        low, high, ops = high, low, [_FLIPPED[ops[1]], _FLIPPED[ops[0]]]
    return RealSet([Piece(low, ops[0] == "<=", high, ops[1] == "<=")], _subject(middle))


def _subject(node: Node) -> str:
    """The name of a variable or of an unknown function's value; empty for anything else."""
    match node:
        case Sym(name):
            return "" if name in ("pi", "e", "i", "oo") else name
        case Call("f" | "g" | "h", [Sym()]):
            return "f(x)"
        case Product([Sym("P" | "p" | "h" | "F"), Sym()]):
            return "f(x)"
        case _:
            return ""


def _solved(left: Node, op: str, right: Node) -> RealSet | None:
    """The set where `left op right`, for a variable, or one in a linear expression or its absolute value."""
    if isinstance(left, Call) and left.name == "abs":
        return _solved_abs(left.args[0], op, right)
    name = _subject(left)
    if not name:
        names = symbols(left)
        if len(names) != 1:
            return None
        (name,) = names
        line = _linear(left, name)
        if line is None:
            return None
        slope, shift = line
        right = Quotient(Sum([right, negated(shift)]), Num(slope))
        if slope < 0:
            op = _FLIPPED[op]
    closed = op.endswith("=")
    if op[0] == "<":
        return RealSet([Piece(MINUS_INFINITY, False, right, closed)], name)
    return RealSet([Piece(right, closed, INFINITY, False)], name)


def _solved_abs(inner: Node, op: str, right: Node) -> RealSet | None:
    above, below = _solved(inner, op, right), _solved(inner, _FLIPPED[op], negated(right))
    return _combined("&" if op[0] == "<" else "|", above, below)


def _linear(node: Node, name: str) -> tuple[Fraction, Node] | None:
    """slope and shift of slope·name + shift, where the slope is rational."""
    try:
        found: Form = form(node)
    except (NotMath, Undecided, Undefined):
        return None
    if found.bottom != ONE:
        return None
    slope = found.top.get(((name, 1),))
    rest = {mono: value for mono, value in found.top.items() if mono != ((name, 1),)}
    if not slope or any(mono != poly.UNIT for mono in rest):
        return None
    return Fraction(slope), Num(Fraction(rest.get(poly.UNIT, 0)))


def _position(node: Node) -> float | None:
    """Where an end lies on the line."""
    infinite = infinity(node)
    if infinite:
        return infinite * float("inf")
    try:
        value = evaluate(split_unit(node)[0], {}, mpmath.fp)
    except (NotMath, Undecided, Unusable, ArithmeticError, ValueError, TypeError):
        return None
    return None if isinstance(value, complex) else float(value)


def _numeric(node: Node) -> bool:
    return _position(node) is not None


def _merged(pieces: list[Piece]) -> list[Piece] | None:
    """Sorted, without overlaps, without empty pieces; `None` if an end has no place on the line."""
    placed: list[tuple[float, float, Piece]] = []
    if len(pieces) > _MAX_PIECES:
        return None
    for piece in pieces:
        low, high = _position(piece.low), _position(piece.high)
        if low is None or high is None:
            return None
        if low < high or (low == high and piece.low_closed and piece.high_closed):
            placed.append((low, high, piece))
    placed.sort(key=lambda item: (item[0], not item[2].low_closed))
    out: list[tuple[float, float, Piece]] = []
    for low, high, piece in placed:
        if out:
            last_low, last_high, last = out[-1]
            touching = abs(low - last_high) <= 1e-9 * (1 + abs(low)) if low != last_high else True
            if low == float("inf") or last_high == float("inf"):
                touching = False
            if (low < last_high and not touching) or (touching and (piece.low_closed or last.high_closed)):
                if high > last_high or (high == last_high and piece.high_closed):
                    closed = piece.high_closed or (high == last_high and last.high_closed)
                    out[-1] = (last_low, high, Piece(last.low, last.low_closed, piece.high, closed))
                continue
        out.append((low, high, piece))
    return [piece for _, _, piece in out]


def _complement(real_set: RealSet) -> RealSet | None:
    pieces = _merged(real_set.pieces)
    if pieces is None:
        return None
    out: list[Piece] = []
    low, closed = MINUS_INFINITY, False
    for piece in pieces:
        if infinity(piece.low) != -1:
            out.append(Piece(low, closed, piece.low, not piece.low_closed))
        low, closed = piece.high, not piece.high_closed
    if not (pieces and infinity(pieces[-1].high) == 1):
        out.append(Piece(low, closed, INFINITY, False))
    return RealSet(out, real_set.subject)


def _combined(op: str, a: RealSet | None, b: RealSet | None) -> RealSet | None:
    if a is None or b is None:
        return None
    subject = a.subject or b.subject
    if op == "|":
        return RealSet(a.pieces + b.pieces, subject)
    left, right = _complement(a), _complement(b) if op == "&" else RealSet(b.pieces)
    if left is None or right is None:
        return None
    # a ∩ b is what neither complement holds, a \ b what neither a's complement nor b holds
    out = _complement(RealSet(left.pieces + right.pieces))
    if out is None:
        return None
    merged = _merged(out.pieces)
    return None if merged is None else RealSet(merged, subject)


def equal_sets(a: RealSet, b: RealSet) -> bool:
    """Whether two sets are equal: the same pieces, with equal ends."""
    left, right = _merged(a.pieces), _merged(b.pieces)
    if left is not None and right is not None:
        return len(left) == len(right) and all(map(_equal_pieces, left, right))
    if len(a.pieces) != len(b.pieces):
        return False
    rest = list(b.pieces)
    for piece in a.pieces:
        found = next((other for other in rest if _equal_pieces(piece, other)), None)
        if found is None:
            return False
        rest.remove(found)
    return True


def _equal_pieces(a: Piece, b: Piece) -> bool:
    return (
        a.low_closed == b.low_closed
        and a.high_closed == b.high_closed
        and equal_quantities(a.low, b.low).equal
        and equal_quantities(a.high, b.high).equal
    )
