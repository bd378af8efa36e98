"""Tokens of a whole answer to a tree: lists, relations, sets, labels, choices, or else words."""

from typing import TypeGuard

from guerdon_math.limits import MAX_ITEMS, NotMath, Undecided
from guerdon_math.reading.brackets import unbraced
from guerdon_math.reading.commands import NUMBER_SETS
from guerdon_math.reading.expressions import ExpressionParser
from guerdon_math.reading.groups import filled
from guerdon_math.reading.lexer import Token, lex
from guerdon_math.reading.phrases import in_signs
from guerdon_math.reading.trimming import trimmed
from guerdon_math.reading.vocabulary import AND, DOMAINS, OR, RELATION_SIGNS
from guerdon_math.reading.words import as_words, time_or_date, without_lead_in
from guerdon_math.tree import Builder, Choice, Node, Ratio, Relation, Seq, SetOp, Sym, Words, symbols

_SETS = {"cup": "|", "cap": "&", "setminus": "-"}
_NOTES = frozenset({"for", "forall", "where", "with", "when"})
_DENIALS = frozenset({"cannot", "isnt", "neither", "never", "no", "nor", "not"})
_HEDGES = frozenset({"about", "almost", "approximately", "maybe", "nearly", "roughly"})
_LETTERS = frozenset("ABCDEFGHIJ")
_BEFORE_SET = frozenset({"=", "in", ",", ";", "cup", "cap", "setminus"})


def parse(text: str, grouped: bool | None = None) -> Node:
    """The tree of an answer; words where it does not read as mathematics.

    Raises:
        Undecided: it is beyond the limits.
    """
    text = without_lead_in(text)
    special = time_or_date(text)
    if special is not None:
        return special
    try:
        tokens = trimmed(lex(text, grouped))
        choice = as_choice(tokens)
        if choice is not None:
            return choice
        return AnswerParser(tokens).answer()
    except NotMath:
        if (inner := unbraced(text)) is not None:
            return parse(inner, grouped)
        signs = in_signs(text)
        if signs is None:
            return as_words(text)
        node = parse(signs, grouped)
        return as_words(text) if isinstance(node, Words) else node
    except RecursionError:
        raise Undecided("nested too deep") from None


def as_choice(tokens: list[Token]) -> Choice | None:
    """A multiple-choice letter with its text: `(A) 12`, `A. foo`, `option A`."""
    if tokens and tokens[0].kind == "w" and tokens[0].text.lower() in ("option", "choice", "选项", "选"):
        tokens = tokens[1:]
        if len(tokens) == 1 and tokens[0].text in _LETTERS:
            return Choice(tokens[0].text, "")
    if len(tokens) < 2:
        return None
    bracketed = tokens[0].text == "("
    at = 1 if bracketed else 0
    letter = tokens[at]
    if letter.kind not in "lu" or letter.text not in _LETTERS:
        return None
    after = tokens[at + 1] if at + 1 < len(tokens) else Token("end", "")
    if (bracketed and after.text != ")") or (not bracketed and after.text not in (")", ".", ":")):
        return None
    rest = tokens[at + 2 :]
    if not rest:
        return Choice(letter.text, "")
    if rest[0].text.lower() in OR | AND:
        return None
    if any(t.text in _LETTERS and t.kind in "lu" for t in rest) or rest[0].text in (
        "^",
        "_",
        "+",
        "-",
        "=",
        ",",
        "*",
        "/",
    ):
        return None
    return Choice(letter.text, " ".join(t.text for t in rest))


class AnswerParser(ExpressionParser):
    """Adds to expressions what only a whole answer has."""

    def answer(self) -> Node:
        """answer := clause ((, | ; | or | and) clause)*"""
        groups: list[list[Node]] = [[]]
        joined = ","
        while True:
            node = self.clause()
            several = isinstance(node, Seq) and node.opener == "" and node.joined == "or"
            groups[-1].extend(node.items if isinstance(node, Seq) and several else [node])
            if sum(map(len, groups)) > MAX_ITEMS:
                raise Undecided(f"more than {MAX_ITEMS} items")
            strength, separator = self.separators()
            if not strength:
                break
            if separator == "or":
                joined = "or"
            elif separator == "and" and joined == ",":
                joined = "and"
            if strength > 1:
                groups.append([])
        if self.peek().kind != "end":
            raise NotMath(f"unexpected {self.peek().text!r}")
        groups = [_without_domains(group) for group in groups]
        if len(groups) > 1 and len({len(g) for g in groups}) == 1 and len(groups[0]) > 1:
            return Seq("", "", [Seq("", "", group) for group in groups], joined)
        items = filled(_without_domains([node for group in groups for node in group]))
        return items[0] if len(items) == 1 else Seq("", "", items, joined)

    def separators(self) -> tuple[int, str]:
        """How strongly the next items are set apart (0: not at all, 2: by `;` or `or`), and by what."""
        strength, kind = 0, ","
        while True:
            token = self.peek()
            text = token.text.lower()
            if token.kind == "p" and text in (",", "\\\\", ";"):
                strength = max(strength, 2 if text == ";" else 1)
            elif token.kind in "wcl" and text in OR and token.kind != "l":
                strength, kind = 2, "or"
            elif token.kind in "wcl" and text in AND and token.kind != "l":
                strength, kind = max(strength, 1), "and"
            elif strength and token.kind == "w" and text in ("also", "else", "then", "both", "either"):
                pass
            else:
                return strength, kind
            self.at += 1

    def clause(self) -> Node:
        """clause := label? side (relation side)*"""
        if self.peek().kind == "w" and self.peek().text.lower() in ("either", "both", "only"):
            self.at += 1
        label = self.label_before()
        if label is not None:
            return Relation([label, self.clause()], ["="])
        ratio = self.long_ratio()
        if ratio is not None:
            return ratio
        sides: list[Node] = []
        ops: list[str] = []
        if self.relation_sign():
            sides.append(Sym("_"))
        else:
            sides.append(self.side())
        while (op := self.relation_sign()) is not None:
            self.at += 1
            if op in ("<", ">") and self.accept("p", "="):
                op += "="
            ops.append(op)
            side = self.side()
            sides.append(Sym(NUMBER_SETS[side.name]) if op == "in" and _is_number_set(side) else side)
        while self.note(sides):
            pass
        if ops in (["=="], ["="]) and (residues := self.congruences(sides)) is not None:
            return residues
        ops = ["=" if op == "==" else op for op in ops]  # f(x) \equiv 1
        return Relation(sides, ops) if ops else sides[0]

    def congruences(self, sides: list[Node]) -> Node | None:
        """n \\equiv 2 \\pmod 4, or several residues before one modulus; nothing is read if there is no modulus."""
        start, depth, residues = self.at, self.depth, [sides[1]]
        try:
            while (modulus := self.modulus()) is None:
                if not self.separators()[0]:
                    raise NotMath("no modulus")
                residues.append(self.sum())
        except NotMath:
            self.at, self.depth = start, depth
            return None
        items: list[Node] = [Relation([sides[0], residue, modulus], ["==", "mod"]) for residue in residues]
        return items[0] if len(items) == 1 else Seq("", "", items, "or")

    def modulus(self) -> Node | None:
        """The 7 of `\\pmod 7`, `\\bmod 7` or `(mod 7)`."""
        bracketed = self.peek().text == "("
        if self.peek(bracketed).text.lower() not in ("pmod", "bmod", "mod"):
            return None
        self.at += 1 + bracketed
        node = self.group() if self.peek().text == "{" else self.primary()
        if bracketed:
            self.expect(")")
        return node

    def note(self, sides: list[Node]) -> bool:
        """Pass over `for some integer k`, `where k \\in \\mathbb{Z}`, `for n \\ge 1`."""
        if self.peek(self.peek().text == ",").text.lower() not in _NOTES:
            return False
        start = self.at
        self.at += 1 + (self.peek().text == ",")
        noted: list[Token] = []
        while self.peek().kind != "end" and self.peek().text not in (";", "or", "and"):
            if self.peek().text == "," and not (noted and noted[-1].kind in "lu" and self.peek(1).kind in "lu"):
                break  # for constants a, b
            noted.append(self.next())
        names = set().union(*map(symbols, sides))
        about = {t.text for t in noted if t.kind in "lu"} - {"R", "Z", "N", "Q", "C"}
        domain = any(t.text.lower() in DOMAINS or t.text in ("mathbb", "reals") for t in noted)
        bound = (
            any(t.text in RELATION_SIGNS for t in noted) and about <= names and not any(t.text == "=" for t in noted)
        )
        if not (domain or bound or all(t.kind in "lu" or t.text in ("all", "any", "some") for t in noted)) or any(
            t.text == "=" or t.text in ("if", "otherwise", "else") for t in noted
        ):
            self.at = start
            raise NotMath("a condition")
        return True

    def relation_sign(self) -> str | None:
        token = self.peek()
        return RELATION_SIGNS.get(token.text) if token.kind in "pc" or token.text == "in" else None

    def label_before(self) -> Sym | None:
        """Words that name what follows: `Area =`, `Paolo:`, `the answer is`."""
        if self.peek().kind != "w":
            return None
        ahead = 0
        words: list[str] = []
        while ahead < 8 and self.peek(ahead).kind in "wlun":
            if self.peek(ahead).text.lower() == "is" and ahead:
                break
            words.append(self.peek(ahead).text.lower())
            ahead += 1
        if (_DENIALS | _HEDGES) & set(words) or words[:2] in (["at", "least"], ["at", "most"]):
            raise NotMath("a denial, or no more than a hint")
        if self.peek(ahead).text not in ("=", ":", "is") or self.peek(ahead + 1).kind == "end":
            return None
        self.at += ahead + 1
        return Sym(" ".join(words))

    def long_ratio(self) -> Ratio | None:
        """a:b:c. Of two parts the quotient says all."""
        depth = colons = 0
        for ahead in range(self.at, len(self.tokens)):
            text = self.tokens[ahead].text
            depth += (text in ("(", "{", "[", "\\{")) - (text in (")", "}", "]", "\\}"))
            if not depth:
                colons += text == ":" and self.tokens[ahead].kind == "p"
                if text in (",", ";", "="):
                    break
        if colons < 2:
            return None
        self.colons = True
        parts = [self.sum()]
        while self.accept("p", ":"):
            parts.append(self.sum())
        self.colons = False
        return Ratio(parts)

    colons = False

    def ratio_allowed(self) -> bool:
        return not self.colons

    def side(self) -> Node:
        """side := expression ((union | intersection | difference) expression)*"""
        node = self.sum()
        while True:
            token = self.peek()
            op = _SETS.get(token.text) if token.kind == "c" else None
            if op is None and token.text in ("U", "∪") and isinstance(node, (Seq, SetOp)):
                op = "|"
            if op is None:
                return node
            self.at += 1
            node = SetOp(op, node, self.sum())

    def starts_factor(self, token: Token) -> bool:
        if token.text == "(" and self.peek(1).text.lower() in ("mod", "bmod", "pmod"):
            return False
        if token.text == "U" and self.at and self.tokens[self.at - 1].text in (")", "]"):
            return False
        return super().starts_factor(token)

    def bracketed(self, opener: str) -> Node:
        if opener == "\\{" and (found := self.builder()) is not None:
            return found
        return super().bracketed(opener)

    def item(self) -> Node:
        """Inside brackets a side may stand too: \\{(1,2)\\} \\cup ..., and relations, as in (x = 1)."""
        node = self.side()
        if self.depth < 20 and self.relation_sign() is not None and not self.bars:
            sides, ops = [node], []
            while (op := self.relation_sign()) is not None:
                self.at += 1
                ops.append(op)
                sides.append(self.side())
            return Relation(sides, ops)
        return node

    def group(self) -> Node:
        """{x | x > 3} too, where a set may stand; the braces lack only their backslashes."""
        if self.at == 0 or self.tokens[self.at - 1].text in _BEFORE_SET:
            self.expect("{")
            found = self.builder("}")
            if found is not None and isinstance(found.condition, Relation | Seq):
                return found
            self.at -= 1
        return super().group()

    def builder(self, closer: str = "\\}") -> Builder | None:
        """\\{x \\in R \\mid x > 3\\}; the opening brace is read, nothing is if this is no such set."""
        start = self.at
        bar = 0
        for ahead in range(12):
            text = self.peek(ahead).text
            if ahead and (text in ("mid", "|") or (text == ":" and closer == "\\}")):
                bar = ahead
                break
            if text == closer or self.peek(ahead).kind == "end":
                return None
        if not bar:
            return None
        depth = self.depth
        self.deeper()
        try:
            subject = self.bounded_clause(self.at + bar)
            self.at = start + bar + 1
            conditions = [self.clause()]
            while self.separators()[0]:
                conditions.append(self.clause())
            self.expect(closer)
        except NotMath:
            self.at, self.depth = start, depth
            return None
        self.depth = depth
        condition = conditions[0] if len(conditions) == 1 else Seq("", "", conditions, "and")
        return Builder(subject, condition)

    def bounded_clause(self, end: int) -> Node:
        """The clause that ends exactly before token `end`."""
        inner = AnswerParser(self.tokens[self.at : end])
        inner.depth = self.depth
        node = inner.clause()
        if inner.peek().kind != "end":
            raise NotMath("an odd set")
        if isinstance(node, Relation) and node.ops == ["in"] and node.sides[1] == Sym("reals"):
            return node.sides[0]
        return node


def _is_number_set(node: Node) -> TypeGuard[Sym]:
    return isinstance(node, Sym) and node.name in NUMBER_SETS


def _without_domains(items: list[Node]) -> list[Node]:
    """Without notes such as `k \\in \\mathbb{Z}` beside something that has a k."""
    kept = [
        item
        for item in items
        if not (
            isinstance(item, Relation)
            and item.ops == ["in"]
            and isinstance(item.sides[1], Sym)
            and item.sides[1].name.startswith(("integers", "naturals", "reals", "rationals", "Z", "N", "R", "Q"))
            and len(items) > 1
            and any(symbols(item.sides[0]) <= symbols(other) for other in items if other is not item)
        )
    ]
    return kept or items
