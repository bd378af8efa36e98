"""Numbers of something: units, degrees, percent, money, and words that only count things."""

from fractions import Fraction

from guerdon_math.limits import NotMath
from guerdon_math.reading.cursor import Cursor
from guerdon_math.reading.numerals import PARTS, SCALES
from guerdon_math.reading.vocabulary import AND, HEDGES, OR
from guerdon_math.tree import Node, Num, Product, Quantity, Sum, Sym, negated
from guerdon_math.units import CURRENCIES, DEGREE, GENERIC, POWERS, UNITS, Unit, unit_of, unknown

CURRENCY_SIGNS = {"$": "$", "euro": "€", "pounds": "£", "yen": "¥", "rupee": "₹"}


class QuantityParser(Cursor):
    """Reads what follows a number, or stands before it, and says of what it is the number."""

    def unit_fraction(self) -> bool:
        """Whether a \\frac of units follows, as in km over h."""
        return self.peek(1).text == "{" and self.peek(2).kind in ("w", "u") and unit_of(self.peek(2).text) is not None

    def degrees(self, node: Node) -> Node:
        letter = self.peek()
        if letter.kind in "lu" and letter.text in ("C", "F", "K"):
            self.at += 1
            return Quantity(node, UNITS[{"C": "celsius", "F": "fahrenheit", "K": "K"}[letter.text]])
        total = node
        while self.peek().kind == "n" and self.peek(1).text == "'":
            part = self.next().value or Fraction(0)
            self.at += 1
            seconds = self.accept("p", "'")
            total = Sum([total, Num(part / (3600 if seconds else 60))])
        return Quantity(total, DEGREE)

    def unit(self, node: Node) -> Node | None:
        """The node with the unit that follows it, or `None` if the words that follow are no unit."""
        start = self.at
        word = self.peek()
        if word.text.lower() in SCALES and word.kind == "w":
            self.at += 1
            return Product([node, Num(Fraction(SCALES[word.text.lower()]))])
        if word.text.lower() in PARTS and word.kind == "w":
            self.at += 1
            return Product([node, Num(Fraction(1, PARTS[word.text.lower()]))])
        unit = self.simple_unit()
        if unit is None:
            return None if isinstance(node, Sym) and node.name != "pi" else self.label(node, start)
        while True:
            token = self.peek()
            sign = -1 if token.text in ("/", "per") else 1 if token.text == "cdot" else 0
            skip = 1
            if sign and token.text == "per" and token.kind != "w":
                sign = 0
            if not sign and token.kind in "wu" and unit_of(token.text):
                sign, skip = 1, 0
            if not sign or self.peek(skip).kind not in "wul":
                break
            back = self.at
            self.at += skip
            factor = self.simple_unit()
            if factor is None:
                self.at = back
                break
            unit = unit.times(factor, sign)
        if isinstance(node, Quantity):
            if node.unit.known and unit.known and node.unit.dimension == unit.dimension:
                return node  # 5 dollars USD
            if node.unit == DEGREE or not node.unit.known:
                return Quantity(node.body, unit)
            return Quantity(node.body, node.unit.times(unit))
        if self.peek().kind == "w" and self.peek().text.lower() not in HEDGES:
            self.label(node, self.at)  # 25 feet long
        return Quantity(node, unit)

    def simple_unit(self) -> Unit | None:
        """unit := (square | cubic)? name (^ n)?"""
        start = self.at
        power = 1
        token = self.peek()
        if token.kind == "w" and token.text.lower() in POWERS:
            power = POWERS[token.text.lower()]
            self.at += 1
            if self.peek().text == ".":
                self.at += 1
            token = self.peek()
        unit = unit_of(token.text) if token.kind in ("w", "u", "l") else None
        if unit is None or (token.text == "in" and self.peek(1).kind not in ("end", "p")):
            if power > 1 and token.text.lower() in GENERIC:
                unit = unknown("units")
            else:
                self.at = start
                return None
        self.at += 1
        token = self.peek()
        if token.text == "^" and token.kind == "p":
            self.at += 1
            exponent = self.script()
            if not isinstance(exponent, Num) or exponent.value.denominator != 1 or abs(exponent.value) > 9:
                raise NotMath("an odd unit")
            power = int(exponent.value)
        elif token.kind == "w" and token.text.lower() in ("squared", "cubed"):
            self.at += 1
            power = POWERS[token.text.lower()]
        return unit.power(power) if power != 1 and unit.known else unit

    def label(self, node: Node, start: int) -> Node | None:
        """Words after a number that measure nothing, up to the next separator: 5 red apples."""
        words: list[str] = []
        while True:
            token = self.peek()
            if token.kind == "w" or (token.kind in "ul" and words) or (token.text in ("'", "-", ".") and words):
                lowered = token.text.lower()
                if lowered in OR or lowered in AND:
                    break
                of_what = lowered in ("of", "with") and words and self.peek(1).kind == "w"  # 8 pieces of fruit
                if lowered in HEDGES and not of_what:
                    self.at = start
                    return None
                words.append(lowered)
                self.at += 1
            elif token.text in ("^", "_") and words:
                self.at += 1
                self.script()
            else:
                break
        if not words:
            self.at = start
            return None
        if isinstance(node, Quantity):
            return node
        return Quantity(node, unknown(" ".join(words)))

    def money(self, sign: str) -> Node:
        symbol = CURRENCY_SIGNS[sign]
        negative = self.signs(first=True)[0] < 0
        node = self.factor()
        if isinstance(node, Quantity):
            node = node.body if not node.unit.known or node.unit.dimension == ((CURRENCIES[symbol], 1),) else node
        if isinstance(node, Quantity):
            raise NotMath("money of another unit")
        return Quantity(negated(node) if negative else node, Unit(symbol, ((CURRENCIES[symbol], 1),)))
