"""Judge an answer against the ground truth, the cheapest sufficient way first."""

import re
from functools import lru_cache

from guerdon_math.comparing.compare import compare
from guerdon_math.comparing.families import PARAMETERS, same_families
from guerdon_math.comparing.scalars import Verdict
from guerdon_math.limits import NotMath, Undecided, Undefined, refuel
from guerdon_math.reading.brackets import peeled
from guerdon_math.reading.charset import to_ascii
from guerdon_math.reading.grammar import parse
from guerdon_math.reading.lexer import ambiguous
from guerdon_math.tree import Node, Quantity, Sym, Words, substitute, symbols

_PLAIN = re.compile(r"([-+]?)0*(\d*)(?:\.(\d*?)0*)?")
_SPELLING = re.compile(r"\\(?:left|right|displaystyle|,|;|:|!|quad|qquad)(?![A-Za-z])|[\s$~]+")
_GAP = "\ue000"
_GAP_IN_NUMBER = re.compile(rf"(?<=\d){_GAP}+(?=\d)")
_COMMA_DECIMAL = re.compile(r"[-+]?\d+,\d+")
_INTEGER = re.compile(r"\\in *(?:\\mathbb *\{? *|\\)?[ZN]|∈ *[ZNℤℕ]|integer|整数")
_PERIODIC = re.compile(r"\\pi|π|\\circ|°|mod")
_ZEROS = re.compile(r",0\d\d")
_FLOOR = re.compile(r"\\lfloor(?![A-Za-z])|⌊")
_BRACKETED = re.compile(r"(?<!sqrt)(?:\\left)?\[([^\[\],;]{1,80})\]")
_CACHED = 2_000


def judge(gold: str, answer: str) -> Verdict:
    """Whether an answer (the content of a box) equals the ground truth.

    Never raises on account of the answer: what cannot be decided within the limits is not equal.
    """
    gold, answer = gold.strip(), answer.strip()
    if gold == answer:
        return Verdict(True, "same text")
    plain_gold, plain = _PLAIN.fullmatch(gold), _PLAIN.fullmatch(answer)
    if plain_gold and plain and _number(plain_gold) and _number(plain):
        return Verdict(_number(plain_gold) == _number(plain), "compared as decimals")
    verdict = Verdict(False, "not equal")
    refuel()
    try:
        for left in _readings(gold):
            for right in _readings(answer):
                verdict = _other_things(left, right, gold + answer) or compare(left, right)
                if verdict.equal:
                    return verdict
        verdict = _renamed(gold, answer) or verdict
        if _COMMA_DECIMAL.fullmatch(answer) and "." in gold and not ambiguous(answer):
            retry = compare(_parsed(gold, None), _parsed(answer.replace(",", "."), None))
            verdict = retry if retry.equal else verdict
        if not verdict.equal and (floors := _with_floors(gold, answer)) is not None:
            verdict = compare(*(_parsed(text, None) for text in floors))
    except (NotMath, Undefined) as error:
        verdict = Verdict(False, str(error))
    except Undecided as error:
        verdict = Verdict(False, f"could not be decided within limits: {error}")
    except RecursionError:
        verdict = Verdict(False, "could not be decided within limits: nested too deep")
    if not verdict.equal and _same_spelling(gold, answer):
        return Verdict(True, "same text but for spacing")
    return verdict


def _renamed(gold: str, answer: str) -> Verdict | None:
    """Equal but for how an integer parameter is named or counted: kπ against nπ, x = kπ against x = (k + 1)π."""
    integers = bool(_INTEGER.search(gold) or _INTEGER.search(answer))
    if not integers and not (_PERIODIC.search(gold) and _PERIODIC.search(answer)):
        return None
    left, right = _parsed(gold, None), _parsed(answer, None)
    if same_families(left, right, integers):
        return Verdict(True, "the same families of solutions")
    old, new = ((symbols(a) - symbols(b)) & PARAMETERS for a, b in ((right, left), (left, right)))
    if not integers or len(old) != 1 or len(new) != 1:
        return None
    verdict = compare(left, substitute(right, old.pop(), Sym(new.pop())))
    return Verdict(True, f"{verdict.how}, with the integer renamed") if verdict.equal else None


def _other_things(gold: Node, answer: Node, texts: str) -> Verdict | None:
    """Two lines are not two circles: where the number is but a word, what there are two of counts too."""
    if not isinstance(gold, Quantity) or not isinstance(answer, Quantity) or any(c.isdigit() for c in texts):
        return None
    if gold.unit.known or answer.unit.known or gold.unit.name.rstrip("s") == answer.unit.name.rstrip("s"):
        return None
    return Verdict(False, f"{answer.unit.name} instead of {gold.unit.name}")


def _with_floors(gold: str, answer: str) -> tuple[str, str] | None:
    """[n/2] as Gauss wrote the floor of n/2, where only the other side has ⌊n/2⌋; `None` anywhere else."""
    floored = [_FLOOR.search(text) is not None for text in (gold, answer)]
    if floored[0] == floored[1] or not any(map(_BRACKETED.search, (gold, answer))):
        return None
    left, right = (
        text if has else _BRACKETED.sub(r"\\lfloor \1\\rfloor ", text)
        for text, has in zip((gold, answer), floored, strict=True)
    )
    return left, right


def _number(m: re.Match[str]) -> str:
    """A canonical spelling of a plain decimal; empty if there is no digit at all."""
    sign, whole, fraction = m[1], m[2], m[3] or ""
    if not any(c.isdigit() for c in m[0]):
        return ""
    if not m[0].isascii():
        return ""
    digits = f"{whole or '0'}.{fraction}" if fraction else whole or "0"
    return "-" + digits if sign == "-" and digits != "0" else digits


def _readings(text: str) -> list[Node]:
    """How a text may be read: 1,234 is a number outside brackets and two items inside, but may be the other."""
    first = _parsed(text, None)
    if len(text) > _CACHED or not ambiguous(text):
        return [first]
    others = [_parsed(text, True)] if _ZEROS.search(text) else [_parsed(text, True), _parsed(text, False)]
    return [first, *(node for node in others if node != first)]


def _parsed(text: str, grouped: bool | None) -> Node:
    return _remembered(text, grouped) if len(text) <= _CACHED else parse(text, grouped)


@lru_cache(maxsize=4096)
def _remembered(text: str, grouped: bool | None) -> Node:
    return parse(text, grouped)


def _same_spelling(gold: str, answer: str) -> bool:
    """Whether two texts differ in nothing but spacing and wrappers, so that even what is not understood is equal."""
    if abs(len(gold) - len(answer)) > 2_000 or max(len(gold), len(answer)) > 100_000:
        return False
    return _spelling(gold) == _spelling(answer) != ""


def _spelling(text: str) -> str:
    text = to_ascii(text).replace("dfrac", "frac").replace("tfrac", "frac")
    return _GAP_IN_NUMBER.sub(" ", _SPELLING.sub(_GAP, text)).replace(_GAP, "")


def understood(gold: str) -> bool:
    """Whether a ground truth can be compared with anything at all."""
    try:
        node = _parsed(peeled(gold.strip()), None)
    except Undecided:
        return True
    return not isinstance(node, Words) or any(c.isalnum() for c in node.text)
