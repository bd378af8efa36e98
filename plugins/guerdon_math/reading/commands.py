"""LaTeX commands inside expressions: roots, functions, number sets, decorations, matrices."""

from fractions import Fraction

from guerdon_math.limits import MAX_ITEMS, NotMath, Undecided
from guerdon_math.reading.groups import GroupParser
from guerdon_math.reading.lexer import Token
from guerdon_math.reading.quantities import CURRENCY_SIGNS
from guerdon_math.reading.vocabulary import DECORATIONS, FUNCTIONS, GREEK, MATRICES
from guerdon_math.tree import Call, Matrix, Node, Num, Power, Product, Quotient, Seq, Sum, Sym, negated

NUMBER_SETS = {"R": "reals", "Z": "integers", "N": "naturals", "Q": "rationals", "C": "complexes"}
_ENDS_ARGUMENT = frozenset({"(", "[", "\\{", "|"})
_INVERSES = frozenset({"sin", "cos", "tan", "cot", "sec", "csc"})


class CommandParser(GroupParser):
    """Reads what a command stands for."""

    def command(self, name: str) -> Node:
        if name == "frac":
            return self.fraction()
        if name in ("sqrt", "cbrt"):
            return self.root(name)
        if name in FUNCTIONS:
            return self.function(name)
        if name in ("pi", "infty"):
            return Sym("pi" if name == "pi" else "oo")
        if name in GREEK:
            return self.letter(name)
        if name == "binom":
            return Call("binom", [self.argument(), self.argument()])
        if name in ("lfloor", "lceil"):
            self.deeper()
            inner = self.item()
            self.expect("rfloor" if name == "lfloor" else "rceil")
            self.depth -= 1
            return Call("floor" if name == "lfloor" else "ceil", [inner])
        if name == "langle":
            return self.bracketed("langle")
        if name in ("mathbb", "reals"):
            return self.number_set(name)
        if name == "emptyset":
            return Seq("\\{", "\\}", [])
        if name in DECORATIONS:
            return self.decorated(name)
        if name in CURRENCY_SIGNS:
            return self.money(name)
        if name == "ldots":
            return Sym("…")
        if name == "operatorname":
            return self.primary()
        raise NotMath(f"\\{name} is not understood")

    def number_set(self, name: str) -> Node:
        if name == "reals":
            letter = "R"
        else:
            braced = self.accept("p", "{")
            letter = self.next().text
            if braced:
                self.expect("}")
        if letter not in NUMBER_SETS:
            raise NotMath("an unknown blackboard letter")
        suffix = ""
        while self.peek().text in ("^", "_") and self.peek().kind == "p":
            mark = self.next().text
            token = self.next()
            if token.text == "{":
                token = self.next()
                while self.peek().text != "}":
                    extra = self.next()
                    if extra.kind == "end":
                        raise NotMath("unbalanced braces")
                    token = Token(token.kind, token.text + extra.text)
                self.expect("}")
            suffix += token.text if token.text in ("+", "-", "*") else mark + token.text
        return Sym(NUMBER_SETS[letter] + suffix)

    def decorated(self, name: str) -> Node:
        """\\overline{AB}, \\vec v, \\angle ABC: the decoration says what the name is, the name stays."""
        token = self.peek()
        node = self.group() if token.text == "{" else self.primary()
        if name == "overline" and isinstance(node, (Sum, Quotient)):
            return Call("conjugate", [node])
        return node

    def root(self, name: str) -> Node:
        index: Node = Num(Fraction(3 if name == "cbrt" else 2))
        self.deeper()
        if self.peek().text == "[":
            self.at += 1
            index = self.item()
            self.expect("]")
        token = self.peek()
        if token.kind == "p" and token.text in ("{", "("):
            inner = self.group() if token.text == "{" else self.primary()
        else:
            inner = self.primary()
        self.depth -= 1
        return Power(inner, Quotient(Num(Fraction(1)), index))

    def function(self, name: str) -> Node:
        """\\sin x, \\sin^2 x, \\log_2(x), \\max(a, b)."""
        self.deeper()
        exponent: Node | None = None
        base: Node | None = None
        for _ in range(2):
            if self.accept("p", "^", "**"):
                exponent = self.script()
            elif self.accept("p", "_"):
                base = self.script(below=True)
        if isinstance(exponent, Num) and exponent.value == -1 and name in _INVERSES:
            name, exponent = "arc" + name, None
        args = self.function_arguments()
        self.depth -= 1
        if name == "exp":
            node: Node = Power(Sym("e"), args[0])
        elif name == "sqrt" and len(args) == 1:
            node = Power(args[0], Quotient(Num(Fraction(1)), Num(Fraction(2))))
        elif name in ("log", "ln") and base is not None:
            node = Quotient(Call("ln", args), Call("ln", [base]))
        elif name == "cis":
            node = Sum([Call("cos", args), Product([Sym("i"), Call("sin", args)])])
        elif name == "lg":
            node = Quotient(Call("ln", args), Call("ln", [Num(Fraction(10))]))
        else:
            node = Call(name, args)
        return node if exponent is None else Power(node, exponent)

    def function_arguments(self) -> list[Node]:
        token = self.peek()
        if token.text == "(" and token.kind == "p":
            self.at += 1
            inner = self.bracketed("(")
            if isinstance(inner, Seq) and inner.closer == "]":
                raise NotMath("brackets that do not match")
            return inner.items if isinstance(inner, Seq) and inner.opener == "(" else [inner]
        if token.text == "\\{":
            self.at += 1
            inner = self.bracketed("\\{")
            return inner.items if isinstance(inner, Seq) else [inner]
        if token.text == "{" and token.kind == "p":
            inner = self.group()
            if isinstance(inner, Seq):
                return inner.items
            factors: list[Node] = [inner]
        else:
            sign = self.signs(first=True)[0]
            factors = [self.factor()]
            if sign < 0:
                factors[0] = negated(factors[0])
        while True:
            token = self.peek()
            rooted = token.text == "sqrt" and all(isinstance(factor, Num) for factor in factors)  # \\arctan 2\\sqrt 2
            if (
                not self.starts_factor(token)
                or token.text in _ENDS_ARGUMENT
                or (token.text in FUNCTIONS and not rooted)
                or token.kind in "bn"
            ):
                break
            factors.append(self.factor())
        return [factors[0] if len(factors) == 1 else Product(factors)]

    def environment(self, name: str) -> Node:
        """A matrix or determinant."""
        determinant = name in ("vmatrix", "Vmatrix")
        if not determinant and name not in MATRICES:
            raise NotMath(f"a {name} inside an expression")
        self.deeper()
        rows: list[list[Node]] = [[]]
        count = 0
        while True:
            token = self.peek()
            if token.kind == "e":
                self.at += 1
                break
            if token.text == "\\\\":
                self.at += 1
                rows.append([])
                continue
            if token.text == "&":
                raise NotMath("a matrix with a hole")
            if token.kind == "end":
                raise NotMath("a matrix that is not closed")
            rows[-1].append(self.item())
            count += 1
            if count > MAX_ITEMS:
                raise Undecided(f"more than {MAX_ITEMS} entries")
            if self.peek().text == "&":
                self.at += 1
        rows = [row for row in rows if row]
        self.depth -= 1
        if not rows or len({len(row) for row in rows}) != 1:
            raise NotMath("a matrix with rows of different lengths")
        matrix = Matrix(rows)
        return Call("det", [matrix]) if determinant else matrix
