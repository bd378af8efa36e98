"""What a subscript makes of what it stands under: a number in another base, or part of a name."""

from guerdon_math.limits import NotMath
from guerdon_math.reading.lexer import Token
from guerdon_math.tree import Based, Node, Num, Product, Quantity, Seq, Sum, Sym


def based_number(tokens: list[Token], at: int, digits: Token, node: Node, base: int) -> Based | None:
    """A number in another base, from the digits (or digit letters) before the subscript."""
    letters = digits.kind in "lu" and isinstance(node, Sym) and base > 10 and node.name.isupper()
    if not 2 <= base <= 36 or not (letters or digits.kind == "n" or digits.text in ("}", ")")):
        return None
    text = digits.text if digits.kind in "nlu" else ""
    if not text and isinstance(node, Num) and node.value.denominator == 1:
        text = str(node.value)
    if not text.isalnum() or len(text) > 200:
        return None
    try:
        return Based(text.lstrip("0") or "0", base, int(text, base))
    except ValueError:
        return None


def spelled(node: Node) -> str:
    """A subscript as part of a name."""
    match node:
        case Num(value):
            return str(value)
        case Sym(name):
            return name
        case Product(factors):
            return "".join(map(spelled, factors))
        case Sum(terms):
            return "+".join(map(spelled, terms))
        case Seq(_, _, items):
            return ",".join(map(spelled, items))
        case Quantity(body, unit):
            return spelled(body) + unit.name
        case _:
            raise NotMath("a subscript that is no name")
