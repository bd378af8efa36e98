"""Tokens of one expression to a tree: a recursive descent with limits on depth and size."""

import re
from fractions import Fraction

from guerdon_math.limits import MAX_ITEMS, NotMath, Undecided
from guerdon_math.reading.commands import CommandParser
from guerdon_math.reading.lexer import Token
from guerdon_math.reading.numerals import from_english
from guerdon_math.reading.quantities import CURRENCY_SIGNS
from guerdon_math.reading.subscripts import based_number, spelled
from guerdon_math.reading.vocabulary import NO_FACTOR
from guerdon_math.tree import (
    Based,
    Call,
    Node,
    Num,
    PlusMinus,
    Power,
    Product,
    Quantity,
    Quotient,
    Seq,
    Sum,
    Sym,
    negated,
    symbols,
)
from guerdon_math.units import DEGREE, PERCENT, UNITS

_AFTER_INTERVAL = frozenset({"cup", "cap", "setminus", "U", ",", ";", "or", "and", "\\}", ")"})
_COMBINATIONS = re.compile(r"C_([3-9]|[1-9]\d{1,2})")
"""C_{10}^3, as binomial coefficients are written in China and Russia."""
_SYMBOLIC_COMBINATIONS = re.compile(r"C_(\d?)([nmkp])")
_CURRENCY_WORDS = frozenset({"USD", "EUR", "GBP", "RMB", "Rs"})


class ExpressionParser(CommandParser):
    """Reads expressions: sums of products of powers."""

    def sum(self) -> Node:
        """sum := sign* product (sign+ product)*"""
        self.deeper()
        terms: list[Node] = []
        while True:
            sign, plus_minus = self.signs(first=not terms)
            if terms and not sign:
                break
            term = self.product()
            if sign < 0:
                term = negated(term)
            terms.append(PlusMinus(plus_minus, term) if plus_minus else term)
            if len(terms) > MAX_ITEMS * 2:
                raise Undecided("a long sum")
        self.depth -= 1
        return terms[0] if len(terms) == 1 else Sum(terms)

    def signs(self, first: bool) -> tuple[int, int]:
        """A run of signs: its sign (0: there is none) and 1 for \\pm, -1 for \\mp, 0 for neither."""
        sign, plus_minus, seen = 1, 0, first
        while True:
            token = self.peek()
            if token.kind == "p" and token.text in ("+", "-"):
                if token.text == "+" and self.peek(1).text == "/" and self.peek(2).text == "-":
                    self.at += 2
                    plus_minus = 1
                elif token.text == "-":
                    sign = -sign
            elif token.kind == "c" and token.text in ("pm", "mp"):
                plus_minus = 1 if token.text == "pm" else -1
            else:
                return (sign if seen else 0), plus_minus
            seen = True
            self.at += 1

    def product(self) -> Node:
        """product := factor ((times | over)? factor)*"""
        node = self.factor()
        factors = [node]
        while True:
            token = self.peek()
            if (token.kind == "p" and token.text in ("*", "/", ":")) or (
                token.kind == "c" and token.text in ("times", "cdot", "div")
            ):
                if token.text == ":" and not self.ratio_allowed():
                    break
                self.at += 1
                sign = self.signs(first=True)[0]
                right = self.factor()
                if sign < 0:
                    right = negated(right)
                if token.text in ("/", "div", ":"):
                    left = factors[0] if len(factors) == 1 else Product(factors)
                    factors = [Quotient(left, right)]
                else:
                    factors.append(right)
            elif token.text == "x" and self.power_of_ten():
                self.at += 1  # 1.5 x 10^3
                factors.append(self.factor())
            elif token.kind == "w" and token.text == "to" and self.peek(1).kind == "n":
                self.at += 1
                factors = [Quotient(factors[0] if len(factors) == 1 else Product(factors), self.factor())]
            elif self.starts_factor(token):
                if token.kind == "n" and self.juxtaposed_number(factors):
                    continue
                right = self.factor()
                last = factors[-1]
                if (
                    isinstance(last, Quantity)
                    and isinstance(right, Quantity)
                    and last.unit.dimension == right.unit.dimension
                ):
                    factors[-1] = Sum([last, right])  # 3 hours 20 minutes
                else:
                    factors.append(right)
            else:
                break
            if len(factors) > MAX_ITEMS * 2:
                raise Undecided("a long product")
        return factors[0] if len(factors) == 1 else Product(factors)

    def power_of_ten(self) -> bool:
        """Whether the letter x here is a sign of multiplication."""
        return self.tokens[self.at - 1].kind == "n" and self.peek(1).text == "10" and self.peek(2).text in ("^", "**")

    def ratio_allowed(self) -> bool:
        return True

    def juxtaposed_number(self, factors: list[Node]) -> bool:
        """Take `1/2` after `3 ` as a mixed number; two bare numbers side by side mean nothing."""
        before = self.tokens[self.at - 1]
        measured = isinstance(factors[-1], Quantity) and before.kind in "wu"  # 3 hours 20 minutes
        if measured or (before.kind in "lu" and before.text == "i"):
            return False
        top, slash, bottom = self.peek(), self.peek(1), self.peek(2)
        last = factors[-1]
        if (
            before.kind == "n"
            and slash.text == "/"
            and bottom.kind == "n"
            and isinstance(last, Num)
            and top.value
            and bottom.value
        ):
            mixed = _mixed(last, top.value, bottom.value)
            if mixed is not None:
                factors[-1] = mixed
                self.at += 3
                return True
        if before.kind != "n" and slash.text == "^":
            return False  # (n+1)2^n
        raise NotMath("a number right after something else")

    def starts_factor(self, token: Token) -> bool:
        kind, text = token.kind, token.text
        if kind in ("n", "l", "u", "b"):
            return True
        if kind == "p":
            if text == "[" and (self.peek(1).kind == "end" or self.peek(1).text in _AFTER_INTERVAL):
                return False
            return text in ("(", "[", "{", "\\{") or (text == "|" and not self.bars) or text == "$"
        if kind == "c":
            return text not in NO_FACTOR
        return False

    def factor(self) -> Node:
        """factor := primary postfix*"""
        node = self.primary()
        while True:
            token = self.peek()
            kind, text = token.kind, token.text
            if kind == "p":
                if text in ("^", "**"):
                    self.at += 1
                    node = self.power(node)
                elif text == "!":
                    self.at += 1
                    double = self.peek().text == "!" and not self.peek().spaced
                    self.at += double
                    node = Call("factorial2" if double else "factorial", [node])
                elif text == "%":
                    self.at += 1
                    node = Quantity(node, PERCENT)
                elif text == "$" and self.peek(1).kind != "n" and isinstance(node, Num):
                    self.at += 1
                    node = Quantity(node, UNITS["dollar"])
                elif text == "_":
                    node = self.subscript(node)
                elif text == "'" and isinstance(node, Sym):
                    self.at += 1
                    node = Sym(node.name + "'")
                else:
                    return node
            elif kind == "c" and text == "degree":
                self.at += 1
                node = self.degrees(node)
            elif text == "frac" and kind == "c" and self.unit_fraction():
                self.at += 2
                above = self.simple_unit()
                self.expect("}")
                self.expect("{")
                below = self.simple_unit()
                self.expect("}")
                if above is None or below is None:
                    raise NotMath("an odd unit")
                node = Quantity(node, above.times(below, -1))
            elif kind == "c" and text == "permil":
                self.at += 1
                node = Quotient(node, Num(Fraction(1000)))
            elif kind == "w" and isinstance(
                node, (Num, Quotient, Product, Sum, Power, Quantity, Call, Sym, Based, Seq)
            ):
                found = self.unit(node)
                if found is None:
                    return node
                node = found
            elif (kind == "u" and text in UNITS and isinstance(node, (Num, Quotient, Power, Product, Call))) or (
                kind == "u" and text in UNITS and isinstance(node, (Sum, Sym)) and not symbols(node)
            ):
                node = self.unit(node) or node
            else:
                return node

    def power(self, base: Node) -> Node:
        closed = self.at > 1 and self.tokens[self.at - 2].text == ")"
        exponent = self.script()
        if isinstance(exponent, Sym) and exponent.name in ("prime", "'"):
            return Sym(base.name + "'") if isinstance(base, Sym) else base
        if isinstance(exponent, Sym) and exponent.name in ("th", "st", "nd", "rd"):
            return base
        if isinstance(exponent, Sym) and exponent.name in ("T", "top", "intercal", "mathsf T"):
            return Call("transpose", [base])
        if isinstance(base, Quantity) and base.unit.known and base.unit not in (PERCENT, DEGREE):
            if isinstance(exponent, Num) and exponent.value in (2, 3):
                body = Power(base.body, exponent) if closed else base.body
                return Quantity(body, base.unit.power(int(exponent.value)))
            raise NotMath("an odd unit")
        if isinstance(base, Sym) and isinstance(exponent, Num) and (chosen := _COMBINATIONS.fullmatch(base.name)):
            return Call("binom", [Num(Fraction(int(chosen[1]))), exponent])
        if isinstance(base, Sym) and (chosen := _SYMBOLIC_COMBINATIONS.fullmatch(base.name)):
            return Call("binom", [Product([Num(Fraction(int(chosen[1] or 1))), Sym(chosen[2])]), exponent])
        return Power(base, exponent)

    def script(self, below: bool = False) -> Node:
        """The argument of ^ or _: a group, or a single token as TeX has it; x^10 and 2^-3 as people mean them.

        `below`: it is a subscript, so that what follows is not of it: x_1^2 is the square of x_1.
        """
        token = self.peek()
        if token.text == "{" and token.kind == "p":
            if self.peek(1).kind == "w" and self.peek(2).text == "}":
                self.at += 3
                return Sym(self.tokens[self.at - 2].text.lower())
            return self.group()
        self.deeper()
        sign = self.signs(first=True)[0]
        token = self.peek()
        if token.kind == "w":
            self.at += 1
            node: Node = Sym(token.text.lower())
        else:
            node = self.primary()
            if below:
                pass
            elif self.peek().text in ("^", "**") and self.peek().kind == "p":
                self.at += 1
                node = self.power(node)
            elif self.peek().text == "!":
                self.at += 1
                node = Call("factorial", [node])
        self.depth -= 1
        return negated(node) if sign < 0 else node

    def subscript(self, node: Node) -> Node:
        """x_1 is a name; 664_7 is a number in base 7."""
        digits = self.tokens[self.at - 1]
        self.at += 1
        below = self.script(below=True)
        if isinstance(below, Sym) and (number := from_english([below.name])):
            below = Num(number[0])
        if isinstance(below, Quantity):
            below = below.body
        if (
            isinstance(below, Num)
            and below.value.denominator == 1
            and isinstance(node, (Num, Sym, Product, Seq, Quotient))
        ):
            based = based_number(self.tokens, self.at, digits, node, int(below.value))
            if based is not None:
                return based
        if isinstance(node, Sym):
            return Sym(f"{node.name}_{spelled(below)}")
        if isinstance(node, Seq):
            return node
        raise NotMath("a subscript that names nothing")

    def primary(self) -> Node:
        token = self.next()
        kind, text = token.kind, token.text
        if kind == "n":
            assert token.value is not None
            number = Num(token.value, "." in text)
            return self.mixed(number) if self.peek().text == "frac" and not self.unit_fraction() else number
        if kind in ("l", "u"):
            return self.letter(text)
        if kind == "c":
            return self.command(text)
        if kind == "p":
            if text in ("(", "[", "\\{", "]"):
                return self.bracketed(text)
            if text == "{":
                self.at -= 1
                return self.group()
            if text == "|":
                return self.bars_group()
            if text in CURRENCY_SIGNS:
                return self.money(text)
            if text in ("+", "-"):
                node = self.factor()
                return negated(node) if text == "-" else node
            if text == "_" and self.peek().kind in ("n", "p"):
                raise NotMath("a subscript of nothing")
        if kind == "b":
            return self.environment(text)
        if kind == "w":
            return self.word(text)
        raise NotMath(f"unexpected {text or 'end'!r}")

    def letter(self, text: str) -> Node:
        if text in ("f", "g") and self.peek().text == "(" and not self.peek().spaced:
            self.at += 1
            inside = self.bracketed("(")
            return Call(text, inside.items if isinstance(inside, Seq) else [inside])
        index = self.peek()
        if (
            index.kind == "n"
            and not index.spaced
            and index.text.isdigit()
            and text not in ("i", "e", "pi")
            and not self.raised_to_letters(1)
        ):
            self.at += 1
            return Sym(f"{text}_{index.value}")  # x1 is x_1
        if text in _CURRENCY_WORDS and self.peek().kind == "n":
            return Quantity(self.factor(), UNITS[text])
        return Sym(text)

    def raised_to_letters(self, ahead: int) -> bool:
        """Whether what stands ahead is an exponent with a letter: n2^n is n times 2^n, x1^2 is x_1 squared."""
        if self.peek(ahead).text != "^":
            return False
        first = self.peek(ahead + 1)
        inside = [self.peek(ahead + 2), self.peek(ahead + 3)] if first.text == "{" else [first]
        return any(token.kind == "l" for token in inside)

    def word(self, text: str) -> Node:
        words, ends = [text], [self.at]
        ahead = 0
        while len(words) < 12:
            hyphen = self.peek(ahead).text == "-" and words[-1].lower().endswith("ty")
            if self.peek(ahead + hyphen).kind != "w":
                break
            ahead += 1 + hyphen
            words.append(self.peek(ahead - 1).text)
            ends.append(self.at + ahead)
        found = from_english(words)
        if found is None:
            raise NotMath("words")
        self.at = ends[found[1] - 1]
        return Num(found[0])

    def mixed(self, number: Num) -> Node:
        """3\\frac{1}{2} is three and a half, if it can be."""
        back = self.at
        self.at += 1
        fraction = self.fraction()
        if isinstance(fraction, Quotient) and isinstance(fraction.top, Num) and isinstance(fraction.bottom, Num):
            mixed = _mixed(number, fraction.top.value, fraction.bottom.value)
            if mixed is not None:
                return mixed
        self.at = back
        return number


def _mixed(whole: Num, top: Fraction, bottom: Fraction) -> Num | None:
    """Whole and fraction as one number, if that is how people write it: 2 3/4, but not 2 5/3 or 0.5 1/2."""
    parts = (whole.value, top, bottom)
    if any(p.denominator != 1 or p < 0 for p in parts) or whole.decimal or not 0 < top < bottom:
        return None
    return Num(whole.value + top / bottom)
