"""What an answer is made of once it is parsed: numbers, expressions, sets, relations, matrices."""

from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from guerdon_math.units import Unit


@dataclass(slots=True)
class Num:
    """An exact rational."""

    value: Fraction
    decimal: bool = False
    """Written with a decimal point."""


@dataclass(slots=True)
class Sym:
    """A variable, a constant (`pi`, `e`, `i`, `oo`) or a name such as AB or `area`."""

    name: str


@dataclass(slots=True)
class Sum:
    terms: list["Node"]


@dataclass(slots=True)
class Product:
    factors: list["Node"]


@dataclass(slots=True)
class Quotient:
    top: "Node"
    bottom: "Node"


@dataclass(slots=True)
class Power:
    base: "Node"
    exponent: "Node"


@dataclass(slots=True)
class Call:
    """A function of its arguments: `sin`, `abs`, `binom`, or an unknown one, as `f`."""

    name: str
    args: list["Node"]


@dataclass(slots=True)
class PlusMinus:
    """`\\pm x` (sign 1) or `\\mp x` (sign -1)."""

    sign: int
    body: "Node"


@dataclass(slots=True)
class Based:
    """Digits with their base, as 664_7."""

    digits: str
    base: int
    value: int


@dataclass(slots=True)
class Quantity:
    """A number of units; percent and degrees count as units too."""

    body: "Node"
    unit: Unit


@dataclass(slots=True)
class Seq:
    """Items in brackets: a tuple, interval, set, vector or (with no brackets) a list."""

    opener: str
    closer: str
    items: list["Node"]
    joined: str = ","
    """What joins a bare list: `,`, `or`, `and` or `;`."""


@dataclass(slots=True)
class Matrix:
    rows: list[list["Node"]]


@dataclass(slots=True)
class SetOp:
    """A union, intersection or difference: `|`, `&` or `-`."""

    op: str
    left: "Node"
    right: "Node"


@dataclass(slots=True)
class Builder:
    """`\\{x \\mid condition\\}`."""

    subject: "Node"
    condition: "Node"


@dataclass(slots=True)
class Relation:
    """A chain such as 0 < x \\le 5: one more side than operators."""

    sides: list["Node"]
    ops: list[str]


@dataclass(slots=True)
class Ratio:
    """a:b:c, three parts or more (two parts are a quotient)."""

    parts: list["Node"]


@dataclass(slots=True)
class Choice:
    """A multiple-choice letter, and what was written after it."""

    letter: str
    rest: str


@dataclass(slots=True)
class Words:
    """An answer in words, normalised for comparison."""

    text: str


Node: TypeAlias = (
    Num
    | Sym
    | Sum
    | Product
    | Quotient
    | Power
    | Call
    | PlusMinus
    | Based
    | Quantity
    | Seq
    | Matrix
    | SetOp
    | Builder
    | Relation
    | Ratio
    | Choice
    | Words
)

ONE = Num(Fraction(1))
MINUS_ONE = Num(Fraction(-1))


def negated(node: Node) -> Node:
    """The node with its sign changed."""
    if isinstance(node, Num):
        return Num(-node.value, node.decimal)
    if isinstance(node, Quantity):
        return Quantity(negated(node.body), node.unit)
    return Product([MINUS_ONE, node])


def children(node: Node) -> list[Node]:
    """The nodes directly below this one."""
    match node:
        case Sum(terms):
            return terms
        case Product(factors):
            return factors
        case Quotient(a, b) | Power(a, b):
            return [a, b]
        case Call(_, args):
            return args
        case PlusMinus(_, body) | Quantity(body, _):
            return [body]
        case Seq(_, _, items):
            return items
        case Matrix(rows):
            return [entry for row in rows for entry in row]
        case SetOp(_, left, right):
            return [left, right]
        case Builder(subject, condition):
            return [subject, condition]
        case Relation(sides, _):
            return sides
        case Ratio(parts):
            return parts
        case _:
            return []


def symbols(node: Node) -> set[str]:
    """The names in a node, constants apart."""
    found: set[str] = set()
    stack = [node]
    while stack:
        top = stack.pop()
        if isinstance(top, Sym):
            found.add(top.name)
        stack.extend(children(top))
    return found - {"pi", "e", "i", "oo"}


def substitute(node: Node, name: str, value: Node) -> Node:
    """The node with a symbol replaced; only inside expressions, sets and relations."""
    match node:
        case Sym(found):
            return value if found == name else node
        case Sum(terms):
            return Sum([substitute(t, name, value) for t in terms])
        case Product(factors):
            return Product([substitute(f, name, value) for f in factors])
        case Quotient(a, b):
            return Quotient(substitute(a, name, value), substitute(b, name, value))
        case Power(a, b):
            return Power(substitute(a, name, value), substitute(b, name, value))
        case Call(function, args):
            return Call(function, [substitute(a, name, value) for a in args])
        case PlusMinus(sign, body):
            return PlusMinus(sign, substitute(body, name, value))
        case Seq(opener, closer, items, joined):
            return Seq(opener, closer, [substitute(i, name, value) for i in items], joined)
        case Relation(sides, ops):
            return Relation([substitute(s, name, value) for s in sides], ops)
        case _:
            return node
