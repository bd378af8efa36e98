"""What is taken off the tokens of an answer before they are parsed: lead-ins, full stops, notes, row ends."""

from guerdon_math.reading.lexer import Token
from guerdon_math.reading.vocabulary import DOMAINS, LEAD_INS, RELATION_SIGNS, STACKED


def trimmed(tokens: list[Token]) -> list[Token]:
    """Without lead-in words, a final full stop, and notes such as `(k \\in \\mathbb{Z})`."""
    while tokens and (tokens[-1].text in (".", ",", ";", ":", "\\\\", "^", "_") and tokens[-1].kind == "p"):
        tokens = tokens[:-1]
    start = 0
    while start < len(tokens) - 1 and (
        (tokens[start].kind == "w" and tokens[start].text.lower() in LEAD_INS)
        or tokens[start].text in (":", "therefore", "because", "\\\\")
        or (tokens[start].text in ("=", "approx", "Rightarrow", "to") and start + 1 < len(tokens))
    ):
        start += 1
    tokens = without_note(tokens[start:])
    if (
        len(tokens) > 3
        and tokens[0].text == "\\{"
        and tokens[1].text in ("array", "matrix", "aligned")
        and tokens[-1].kind == "e"
    ):
        tokens = [Token("b", "cases"), *tokens[2:]]
    at = next((at for at, token in enumerate(tokens) if token.kind == "b"), 0)
    if (
        0 < at < 8
        and tokens[at].text == "cases"
        and tokens[at - 1].text == "="
        and all(t.kind != "w" for t in tokens[:at])
    ):
        tokens = tokens[at:]  # f(x) = \\begin{cases}
    if len(tokens) > 2 and tokens[0].kind == "b" and tokens[0].text in STACKED and tokens[-1].kind == "e":
        tokens = stacked(tokens[1:-1])
    return tokens


def stacked(rows: list[Token]) -> list[Token]:
    """The rows of `cases` or `aligned` as a list; where they have conditions, as a list of pairs of value and case."""
    if rows and rows[-1].text in ("\\\\", ","):
        rows = rows[:-1]
    alike = [t.text in RELATION_SIGNS for t in [*rows[1:], Token("end", "")]]
    cases = any(t.text == "&" and not before_sign for t, before_sign in zip(rows, alike, strict=True))
    out: list[Token] = []
    for token, before_sign in zip(rows, alike, strict=True):
        if token.text == "&":
            if cases and not before_sign:
                out.append(Token("p", ","))
        elif token.text == "\\\\":
            out.append(Token("p", ";" if cases else ","))
        elif not (cases and token.kind == "w" and token.text.lower() in ("if", "for", "when")):
            out.append(token)
    return out


def without_note(tokens: list[Token]) -> list[Token]:
    """Without a final `(k \\in \\mathbb{Z})`; any other condition in parentheses becomes an item of its own."""
    if tokens and tokens[-1].text == ")":
        depth = 0
        for at in range(len(tokens) - 1, -1, -1):
            depth += (tokens[at].text == ")") - (tokens[at].text == "(")
            if not depth:
                inside = tokens[at + 1 : -1]
                if at and any(t.text == "in" or t.text.lower() in DOMAINS for t in inside):
                    return tokens[:at]
                if (
                    at > 1
                    and tokens[at - 1].text != ","
                    and any(t.text in RELATION_SIGNS and t.text != "=" for t in inside)
                ):
                    return [*tokens[:at], Token("p", ","), *inside]
                break
    return tokens
