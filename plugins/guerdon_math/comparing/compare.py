"""Is this answer that ground truth? Trees of every kind are brought together here."""

from fractions import Fraction
from itertools import product as all_combinations

from guerdon_math.comparing.equations import (
    equal_relations,
    gives_y,
    labels_of,
    one_by_one,
    settled,
    unlabelled,
)
from guerdon_math.comparing.matrices import as_matrix
from guerdon_math.comparing.realsets import as_set, equal_sets, looks_like_set
from guerdon_math.comparing.scalars import Verdict, equal_quantities
from guerdon_math.comparing.signs import count_signs, written_out
from guerdon_math.limits import spend
from guerdon_math.tree import (
    Builder,
    Choice,
    Matrix,
    Node,
    Num,
    Product,
    Quantity,
    Ratio,
    Relation,
    Seq,
    SetOp,
    Sum,
    Sym,
    Words,
)

_CHOICES = frozenset("ABCDEFGH")


def compare(gold: Node, answer: Node) -> Verdict:
    """Whether two parsed answers are equal.

    Raises:
        Undecided: it would cost too much to find out.
        NotMath: a side contradicts itself, as 7 = 8.
    """
    if gold == answer and not isinstance(gold, Words):
        return Verdict(True, "the same once read")
    return _compare(settled(gold), settled(answer))


def _compare(gold: Node, answer: Node) -> Verdict:
    spend(2)
    if isinstance(gold, (Words, Choice)) or isinstance(answer, (Words, Choice)):
        return _in_words(gold, answer)
    if count_signs(gold) or count_signs(answer):
        return _with_signs(gold, answer)
    if isinstance(gold, Seq) != isinstance(answer, Seq):
        gold, answer = _as_items(gold), _as_items(answer)
    if isinstance(gold, Relation) or isinstance(answer, Relation):
        verdict = _relations(gold, answer)
        if verdict is not None:
            return verdict
    if looks_like_set(gold) or looks_like_set(answer):
        return _sets(gold, answer)
    gold, answer = as_matrix(gold), as_matrix(answer)
    if isinstance(gold, Matrix) or isinstance(answer, Matrix):
        return _matrices(gold, answer)
    if isinstance(gold, Seq) or isinstance(answer, Seq):
        return _sequences(gold, answer)
    if isinstance(gold, Ratio) or isinstance(answer, Ratio):
        return _ratios(gold, answer)
    if isinstance(gold, Sym) and isinstance(answer, Sym):
        return _names(gold.name, answer.name)
    return equal_quantities(gold, answer)


def _as_items(node: Node) -> Node:
    """P(3, -2) as the point, x = y = 1 as x = 1, y = 1, where the other side has several items."""
    match node:
        case Product([Sym(name), Seq("(", ")", [_, _, *_]) as point]) if len(name) == 1 and name.isupper():
            return point
        case _:
            return one_by_one(node)


def _names(gold: str, answer: str) -> Verdict:
    if gold == answer:
        return Verdict(True, "same name")
    if gold in _CHOICES and answer.upper() == gold:
        return Verdict(True, "same choice")
    if len(gold) > 1 and len(answer) > 1 and gold.casefold() == answer.casefold():
        return Verdict(True, "same name")
    return Verdict(False, "names differ")


def _in_words(gold: Node, answer: Node) -> Verdict:
    if isinstance(gold, Choice) and isinstance(answer, Choice):
        return Verdict(gold.letter == answer.letter, "compared as choices")
    if isinstance(gold, Sym) and isinstance(answer, Choice):
        return Verdict(gold.name == answer.letter, "compared as choices")
    if isinstance(gold, Choice) and isinstance(answer, Sym):
        return Verdict(gold.letter == answer.name.upper(), "compared as choices")
    texts = [
        n.text if isinstance(n, Words) else n.name.casefold() if isinstance(n, Sym) else None for n in (gold, answer)
    ]
    if texts[0] and texts[1] and texts[0].startswith("time ") and len(texts[0]) != len(texts[1]):
        return Verdict(texts[0].split()[:2] == texts[1].split()[:2], "times of day, one without a.m. or p.m.")
    if None not in texts and texts[0]:
        return Verdict(texts[0] == texts[1], "compared as words")
    return Verdict(False, "words against mathematics")


def _with_signs(gold: Node, answer: Node) -> Verdict:
    """Write ± out, with the signs tied to each other or free; either reading may make both sides equal."""
    verdict = Verdict(False, "± written out, and different")
    for tied_gold, tied in all_combinations((True, False), repeat=2):
        left, right = written_out(gold, tied_gold), written_out(answer, tied)
        if _compare(left, right).equal:
            return Verdict(True, "± written out, and equal")
    return verdict


def _relations(gold: Node, answer: Node) -> Verdict | None:
    """Compare where a side is a relation; `None` to go on without."""
    if isinstance(gold, Relation) and isinstance(answer, Relation):
        left_set, right_set = _named_set(gold), _named_set(answer)
        if (left_set is None) != (right_set is None):
            return _compare(left_set or gold, right_set or answer)
        if not (looks_like_set(gold) or looks_like_set(answer)):
            return equal_relations(gold, answer, _compare)
        left, right = as_set(gold), as_set(answer)
        if left is None or right is None:
            return equal_relations(gold, answer, _compare)
        return None
    relation, other = (gold, answer) if isinstance(gold, Relation) else (answer, gold)
    assert isinstance(relation, Relation)
    if relation.ops == ["="] and isinstance(condition := _condition(other), Relation):
        return equal_relations(relation, condition, _compare)
    if (named := _named_set(relation)) is not None:
        return _compare(named, answer) if relation is gold else _compare(gold, named)
    value = unlabelled(relation)
    if value is not None:
        return _compare(value, answer) if relation is gold else _compare(gold, value)
    if looks_like_set(relation):
        return None
    if gives_y(relation, other):
        return Verdict(True, "the value of y that the equation gives")
    return Verdict(False, "an equation against something else" if other else "")


def _named_set(relation: Relation) -> Node | None:
    """The set in D = {x | x ≠ 2} or A ∩ B = {1, 2}."""
    name, value = relation.sides[0], relation.sides[-1]
    if relation.ops != ["="] or isinstance(value, Relation) or not (isinstance(value, Seq) or looks_like_set(value)):
        return None
    letter = isinstance(name, Sym) and len(name.name) == 1 and name.name.isupper() and looks_like_set(value)
    return value if letter or isinstance(name, SetOp) else None


def _sets(gold: Node, answer: Node) -> Verdict:
    if isinstance(gold, Seq) and isinstance(answer, Seq) and gold.opener and answer.opener:
        return _sequences(gold, answer)
    left, right = as_set(gold), as_set(answer)
    if left is None or right is None:
        if isinstance(gold, Builder) != isinstance(answer, Builder):
            inner, other = _condition(gold), _condition(answer)
            if isinstance(inner, Relation) and isinstance(other, Relation):
                return equal_relations(inner, other, _compare)
        if isinstance(gold, Builder) and isinstance(answer, Builder):
            return _pairwise([gold.subject, gold.condition], [answer.subject, answer.condition], "parts")
        if isinstance(gold, Seq) and isinstance(answer, Seq):
            return _sequences(gold, answer)
        return Verdict(False, "a set against something else")
    if not left.pieces or not right.pieces:
        return Verdict(False, "conditions that nothing meets")
    named = {left.subject, right.subject} - {"", "_", "f(x)"}
    if len(named) > 1 and isinstance(gold, Relation) and isinstance(answer, Relation):
        return equal_relations(gold, answer, _compare)  # a > b says b < a
    if len(named) > 1:
        return Verdict(False, f"sets of different variables: {', '.join(sorted(named))}")
    equal = equal_sets(left, right)
    return Verdict(equal, "equal as sets of reals" if equal else "different sets of reals")


def _condition(node: Node) -> Node:
    """What a set such as {x | x ≠ kπ} says of its variable, without notes on what k is."""
    if not isinstance(node, Builder) or not isinstance(node.subject, Sym):
        return node
    if isinstance(node.condition, Seq):
        kept = [item for item in node.condition.items if not (isinstance(item, Relation) and item.ops == ["in"])]
        return kept[0] if len(kept) == 1 else node
    return node.condition


def _matrices(gold: Node, answer: Node) -> Verdict:
    """Entry by entry; a column or row is also the tuple of its entries."""
    if isinstance(gold, Matrix) and isinstance(answer, Matrix):
        if [len(row) for row in gold.rows] != [len(row) for row in answer.rows]:
            return Verdict(False, "matrices of different shapes")
        return _pairwise(
            [entry for row in gold.rows for entry in row], [entry for row in answer.rows for entry in row], "entries"
        )
    matrix, other = (gold, answer) if isinstance(gold, Matrix) else (answer, gold)
    assert isinstance(matrix, Matrix)
    entries = [entry for row in matrix.rows for entry in row]
    if len(entries) == 1:
        return _compare(entries[0], other) if matrix is gold else _compare(other, entries[0])
    if (
        isinstance(other, Seq)
        and other.opener == "("
        and other.closer == ")"
        and 1 in (len(matrix.rows), len(matrix.rows[0]))
    ):
        left, right = (entries, other.items) if matrix is gold else (other.items, entries)
        return _pairwise(left, right, "entries")
    return Verdict(False, "a matrix against something else")


def _pairwise(gold: list[Node], answer: list[Node], what: str) -> Verdict:
    if len(gold) != len(answer):
        return Verdict(False, f"{len(answer)} {what} instead of {len(gold)}")
    for at, (left, right) in enumerate(zip(gold, answer, strict=True), 1):
        verdict = _compare(left, right)
        if not verdict.equal:
            return Verdict(False, f"{what[:-1] if what == 'items' else what} {at}: {verdict.how}")
    return Verdict(True, f"equal {what}, one by one")


def _unordered(gold: list[Node], answer: list[Node], as_sets: bool) -> Verdict:
    if as_sets or len(gold) < len(answer):
        gold, answer = _distinct(gold), _distinct(answer)
    if len(gold) != len(answer):
        return Verdict(False, f"{len(answer)} items instead of {len(gold)}")
    left = [item.value for item in gold if isinstance(item, Num)]
    right = [item.value for item in answer if isinstance(item, Num)]
    if len(left) == len(right) == len(gold):
        return Verdict(sorted(left) == sorted(right), "compared as rationals, in any order")
    rest = list(answer)
    for item in gold:
        at = next((at for at, other in enumerate(rest) if _compare(item, other).equal), None)
        if at is None:
            return Verdict(False, "an item has no counterpart")
        del rest[at]
    return Verdict(True, "the same items")


def _distinct(items: list[Node]) -> list[Node]:
    out: list[Node] = []
    for item in items:
        if isinstance(item, Num) and any(isinstance(other, Num) and other.value == item.value for other in out):
            continue
        if not any(_compare(item, other).equal for other in out):
            out.append(item)
    return out


def _sequences(gold: Node, answer: Node) -> Verdict:
    if not isinstance(gold, Seq) or not isinstance(answer, Seq):
        sequence, other = (gold, answer) if isinstance(gold, Seq) else (answer, gold)
        assert isinstance(sequence, Seq)
        if not sequence.items:
            return Verdict(other == Sym("phi"), "the empty set")  # \phi is how many write \varnothing
        if len(sequence.items) == 1 and sequence.opener != "(":
            item = sequence.items[0]
            return _compare(item, other) if sequence is gold else _compare(other, item)
        if isinstance(other, Sym) and all(isinstance(i, Sym) and i.name in _CHOICES for i in sequence.items):
            letters = sorted(i.name for i in sequence.items if isinstance(i, Sym))
            return Verdict(letters == sorted(other.name), "compared as several choices")
        if isinstance(other, Quantity) and _measured_together(sequence.items):
            return _compare(Sum(sequence.items), other) if sequence is gold else _compare(gold, Sum(sequence.items))
        return Verdict(False, f"{len(sequence.items)} items against one value")
    names, answer_names = labels_of(gold), labels_of(answer)
    if names or answer_names:
        return _labelled(gold, answer, names, answer_names)
    kinds = {gold.opener, answer.opener}
    for one, other in ((gold, answer), (answer, gold)):
        if one.opener == "\\{" and len(one.items) == 1 and isinstance(one.items[0], Seq) and other.opener == "(":
            return _sequences(one.items[0], other)
    if kinds <= {"", "\\{"} and not any(isinstance(item, Seq) for item in gold.items):
        answer = _flat(answer)
    if kinds <= {"", "\\{"}:
        return _unordered(gold.items, answer.items, "\\{" in kinds)
    if gold.opener == answer.opener and gold.closer == answer.closer:
        return _pairwise(gold.items, answer.items, "items")
    if "" in kinds and "or" in (gold.joined, answer.joined):
        return Verdict(False, f"{_kind(answer)} against {_kind(gold)}")  # 1 or 2 is no point (1, 2)
    if "" in kinds and len(gold.items) == len(answer.items) and (len(gold.items) > 2 or "[" not in kinds):
        return _pairwise(gold.items, answer.items, "items")
    if kinds == {"[", "\\{"} and len(gold.items) > 2:
        return _unordered(gold.items, answer.items, True)
    if kinds == {"[", "("} and len(gold.items) > 2:
        return _pairwise(gold.items, answer.items, "items")
    return Verdict(False, f"{_kind(answer)} against {_kind(gold)}")


def _flat(node: Seq) -> Seq:
    """A list of lists or sets as one list."""
    items: list[Node] = []
    for item in node.items:
        items.extend(item.items if isinstance(item, Seq) and item.items and item.opener in ("", "\\{") else [item])
    return Seq(node.opener, node.closer, items, node.joined)


def _measured_together(items: list[Node]) -> bool:
    """Whether items are one measure in several units: 2 hours and 30 minutes."""
    units = [item.unit for item in items if isinstance(item, Quantity)]
    one_dimension = len(units) == len(items) and len({(unit.dimension, unit.known) for unit in units}) == 1
    return one_dimension and units[0].known and len({unit.size for unit in units}) == len(units)


def _kind(node: Seq) -> str:
    return {"": "a list", "\\{": "a set", "(": "a tuple", "[": "an interval or list"}.get(node.opener, "brackets")


def _labelled(gold: Seq, answer: Seq, names: list[str], answer_names: list[str]) -> Verdict:
    """Lists of which at least one names its values: x = 1, y = 2."""
    gold_values = [unlabelled(item) or item if names else item for item in gold.items]
    values = [unlabelled(item) or item if answer_names else item for item in answer.items]
    if names and answer_names:
        if sorted(names) != sorted(answer_names):
            return Verdict(False, "other names")
        if len(set(names)) == 1:
            return _unordered(gold_values, values, False)
        if len(set(names)) < len(names):
            return _unordered(gold.items, answer.items, False)
        order = [answer_names.index(name) for name in names]
        return _pairwise(gold_values, [values[at] for at in order], "items")
    unnamed = answer if names else gold
    if unnamed.opener in ("", "\\{") and all(name.isalpha() and len(name) > 2 for name in names or answer_names):
        return _unordered(gold_values, values, False)  # maximum 2, minimum 1
    if any(isinstance(item, Relation) and unlabelled(item) is None for item in gold.items + answer.items):
        return _unordered(gold.items, answer.items, False)
    if (unnamed.opener, unnamed.closer) not in (("", ""), ("(", ")"), ("\\{", "\\}")):
        return Verdict(False, f"names against {_kind(unnamed)}")
    given = names or answer_names
    if len(set(given)) == 1 and unnamed.opener != "(":
        return _unordered(gold_values, values, "\\{" in (gold.opener, answer.opener))
    if 1 < len(set(given)) < len(given):
        return Verdict(False, "names that repeat")
    in_order = [at for _, at in sorted((name, at) for at, name in enumerate(given))]
    if set(given) <= set("xyz") and in_order != list(range(len(given))):
        if names:
            gold_values = [gold_values[at] for at in in_order]
        else:
            values = [values[at] for at in in_order]
    return _pairwise(gold_values, values, "items")


def _ratios(gold: Node, answer: Node) -> Verdict:
    if not isinstance(gold, Ratio) or not isinstance(answer, Ratio):
        return Verdict(False, "a ratio of several parts against something else")
    if len(gold.parts) != len(answer.parts):
        return Verdict(False, "ratios of different lengths")
    left: list[Node] = [Product([part, answer.parts[0]]) for part in gold.parts]
    right: list[Node] = [Product([part, gold.parts[0]]) for part in answer.parts]
    if _compare(gold.parts[0], Num(Fraction(0))).equal:
        return _pairwise(gold.parts, answer.parts, "parts")
    return _pairwise(left, right, "parts")
