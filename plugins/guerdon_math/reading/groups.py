"""What stands in brackets: groups, tuples, intervals, sets, absolute values, the arguments of commands."""

from fractions import Fraction
from itertools import pairwise

from guerdon_math.limits import MAX_ITEMS, NotMath, Undecided
from guerdon_math.reading.lexer import Token
from guerdon_math.reading.quantities import QuantityParser
from guerdon_math.reading.vocabulary import AND
from guerdon_math.tree import Call, Matrix, Node, Num, Power, Product, Quotient, Seq, Sum, Sym

_CLOSERS = {"(": ")", "[": "]", "\\{": "\\}", "{": "}", "langle": "rangle", "]": "["}


class GroupParser(QuantityParser):
    """Reads brackets of every kind."""

    def group(self) -> Node:
        """{...}: a sub-expression, or a set if it holds a list."""
        self.expect("{")
        self.deeper()
        if self.accept("p", "}"):
            self.depth -= 1
            return self.primary()  # an empty group stands before what it indexes: {}_5C_2
        bars, self.bars = self.bars, 0
        items = self.items("}")
        self.bars = bars
        self.depth -= 1
        return items[0] if len(items) == 1 else Seq("\\{", "\\}", items)

    def items(self, closer: str) -> list[Node]:
        """Comma-separated items up to the closing token."""
        items = [self.item()]
        while True:
            token = self.next()
            if token.text == closer and token.kind in "pc":
                return items
            if token.text in (",", ";") and token.kind == "p":
                self.pass_and()
                items.append(self.item())
                if len(items) > MAX_ITEMS:
                    raise Undecided(f"more than {MAX_ITEMS} items")
            elif token.kind == "c" and token.text in ("choose", "over", "atop") and len(items) == 1:
                below = self.items(closer)
                return [Call("binom", [items[0], below[0]]) if token.text == "choose" else Quotient(items[0], below[0])]
            else:
                raise NotMath(f"expected {closer!r}, found {token.text or 'the end'!r}")

    def pass_and(self) -> None:
        """The "and" before the last item of {1, 2, and 3} says no more than its comma."""
        if self.peek().kind == "w" and self.peek().text.lower() in AND:
            self.at += 1

    def item(self) -> Node:
        return self.sum()

    def bracketed(self, opener: str) -> Node:
        """( ), [ ], { } or mixed: an expression in parentheses, a tuple, an interval, a vector or a set."""
        self.deeper()
        bars, self.bars = self.bars, 0
        node = self.inside(opener)
        self.bars = bars
        self.depth -= 1
        return node

    def inside(self, opener: str) -> Node:
        closers = (")", "]", "[") if opener in ("(", "[", "]") else (_CLOSERS[opener],)
        items: list[Node] = []
        if self.peek().text in closers and self.peek().text != "[":
            closer = self.next().text
            return Seq(opener, closer, [])
        items.append(self.item())
        while True:
            token = self.next()
            if token.kind in "pc" and token.text in closers:
                break
            if token.kind == "p" and token.text in (",", ";"):
                self.pass_and()
                items.append(self.item())
                if len(items) > MAX_ITEMS:
                    raise Undecided(f"more than {MAX_ITEMS} items")
            else:
                raise NotMath(f"bracket {opener} is not closed")
        closer = token.text
        if len(items) == 2:
            opener, closer = {"]": "("}.get(opener, opener), {"[": ")"}.get(closer, closer)  # ]1, 2] is (1, 2]
        if _CLOSERS[opener] != closer and len(items) != 2:
            raise NotMath("brackets that do not match")
        items = filled(items)
        if len(items) == 1:
            plain = _CLOSERS[opener] == closer
            if plain and (opener in ("(", "[") or isinstance(items[0], Matrix)):
                if (
                    opener == "["
                    and not isinstance(items[0], Matrix)
                    and not isinstance(items[0], (Sum, Product, Power, Quotient))
                ):
                    return Seq(opener, closer, items)
                return items[0]
        return Seq(opener, closer, items)

    def bars_group(self) -> Node:
        self.deeper()
        self.bars += 1
        inner = self.item()
        token = self.next()
        if token.text != "|":
            raise NotMath("a bar that is not closed")
        self.bars -= 1
        self.depth -= 1
        return Call("det", [inner]) if isinstance(inner, Matrix) else Call("abs", [inner])

    def argument(self) -> Node:
        """The argument of \\frac or \\sqrt: a group or a single digit or letter."""
        token = self.peek()
        if token.text == "{" and token.kind == "p":
            return self.group()
        if token.kind == "n" and token.text.isdigit() and len(token.text) > 1:
            # \frac12 is one half: TeX takes one digit at a time, on a second reading too
            rest = Token("n", token.text[1:], False, Fraction(int(token.text[1:])))
            self.tokens[self.at : self.at + 1] = [Token("d", token.text[0]), rest]
            token = self.peek()
        if token.kind == "d":
            self.at += 1
            return Num(Fraction(int(token.text)))
        if token.kind == "l" and len(token.text) == 1 and self.peek(1).kind == "n":
            self.at += 1
            return Sym(token.text)  # \frac n2 is n over 2, not n_2 over something
        return self.primary()

    def fraction(self) -> Node:
        self.deeper()
        node = Quotient(self.argument(), self.argument())
        self.depth -= 1
        return node


def filled(items: list[Node]) -> list[Node]:
    """1, 2, …, 10 in full, if the step is clear and the list is not long."""
    at = next((at for at, item in enumerate(items) if item == Sym("…")), 0)
    if not 0 < at < len(items) - 1:
        return items
    before, after = items[:at], items[at + 1]
    if not all(isinstance(item, Num) for item in [*before, after]):
        return items
    values = [item.value for item in [*before, after] if isinstance(item, Num)]
    step = values[1] - values[0] if at > 1 else Fraction(1)
    count = (values[-1] - values[-2]) / step if step else Fraction(0)
    if any(b - a != step for a, b in pairwise(values[:-1])) or count.denominator != 1:
        return items
    if not 0 < count <= MAX_ITEMS:
        return items
    return [*before, *(Num(values[-2] + step * k) for k in range(1, int(count))), *items[at + 1 :]]
