"""A place in a list of tokens, and the limits on how deep a parser may go from there."""

from guerdon_math.limits import MAX_DEPTH, NotMath, Undecided
from guerdon_math.reading.lexer import Token
from guerdon_math.tree import Node

END = Token("end", "")


class Cursor:
    """Reads tokens one by one. The parsers that build on it read expressions; what they need of each other is here."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.at = 0
        self.depth = 0
        self.bars = 0

    def peek(self, ahead: int = 0) -> Token:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else END

    def next(self) -> Token:
        token = self.peek()
        self.at += 1
        return token

    def accept(self, kind: str, *texts: str) -> bool:
        token = self.peek()
        if token.kind == kind and token.text in texts:
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        token = self.next()
        if token.text != text:
            raise NotMath(f"expected {text!r}, found {token.text or 'the end'!r}")

    def deeper(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise Undecided(f"nested more than {MAX_DEPTH} deep")

    # -- what the parsers further up supply

    def sum(self) -> Node:
        raise NotImplementedError

    def factor(self) -> Node:
        raise NotImplementedError

    def primary(self) -> Node:
        raise NotImplementedError

    def script(self, below: bool = False) -> Node:
        raise NotImplementedError

    def letter(self, text: str) -> Node:
        raise NotImplementedError

    def signs(self, first: bool) -> tuple[int, int]:
        raise NotImplementedError

    def starts_factor(self, token: Token) -> bool:
        raise NotImplementedError
