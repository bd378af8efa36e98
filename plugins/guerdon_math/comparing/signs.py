"""± and ∓, written out as the values they stand for."""

from itertools import product as all_combinations

from guerdon_math.limits import NotMath, Undecided, spend
from guerdon_math.tree import Call, Node, PlusMinus, Product, Quotient, Relation, Seq, Sum, children, negated

_MAX_SIGNS = 4
_MAX_NODES = 20_000


def count_signs(node: Node) -> int:
    """How many ± a node holds, lists and tuples included."""
    count, seen, stack = 0, 0, [node]
    while stack:
        top = stack.pop()
        seen += 1
        if seen > _MAX_NODES:
            raise Undecided("a large expression")
        count += isinstance(top, PlusMinus)
        stack.extend(children(top))
    spend(seen // 8)
    return count


def written_out(node: Node, tied: bool) -> Node:
    if isinstance(node, Relation) and len(node.sides) == 2 and node.ops == ["="] and not count_signs(node.sides[0]):
        values = written_out(node.sides[1], tied)
        if isinstance(values, Seq) and values.opener == "":
            return Seq("", "", [Relation([node.sides[0], value], ["="]) for value in values.items], "or")
    if isinstance(node, Seq) and node.opener in ("", "\\{"):
        items: list[Node] = []
        for item in node.items:
            out = written_out(item, tied)
            items.extend(out.items if count_signs(item) and isinstance(out, Seq) and out.opener == "" else [out])
        return Seq(node.opener, node.closer, items, node.joined)
    count = count_signs(node)
    if not count:
        return node
    if count > _MAX_SIGNS:
        raise Undecided(f"more than {_MAX_SIGNS} ± signs")
    choices = [(1,) * count, (-1,) * count] if tied else list(all_combinations((1, -1), repeat=count))
    return Seq("", "", [_signed(node, list(signs)) for signs in choices], "or")


def _signed(node: Node, signs: list[int]) -> Node:
    """The node with its ± replaced, left to right."""
    spend(3)
    match node:
        case PlusMinus(sign, body):
            chosen = sign * signs.pop(0)
            inner = _signed(body, signs)
            if chosen < 0 and isinstance(inner, Seq) and inner.opener == "(":
                return Seq("(", inner.closer, [negated(item) for item in inner.items])
            return inner if chosen > 0 else negated(inner)
        case Sum(terms):
            return Sum([_signed(term, signs) for term in terms])
        case Product(factors):
            return Product([_signed(factor, signs) for factor in factors])
        case Quotient(top, bottom):
            return Quotient(_signed(top, signs), _signed(bottom, signs))
        case Call(name, args):
            return Call(name, [_signed(arg, signs) for arg in args])
        case Seq(opener, closer, items, joined):
            return Seq(opener, closer, [_signed(item, signs) for item in items], joined)
        case Relation(sides, ops):
            return Relation([_signed(side, signs) for side in sides], ops)
        case _:
            if count_signs(node):
                raise NotMath("± in an odd place")
            return node
