"""Negative controls: questions whose honest answer is no, asked among the real ones in an order nobody can foresee.

An object that says yes to everything says yes to these too.
"""

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from guerdon_code.inside.operations import OPERATIONS

if TYPE_CHECKING:
    from guerdon_code.inside.remote import Remote

_DECOYS = 3
_NEUTRAL = {"add": 0, "sub": 0, "mul": 1, "truediv": 1}
_IN_PLACE = frozenset({"iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "iand", "ior", "ixor"})
_DIFFERENCES = frozenset({"sub", "xor", "and_", "mod", "floordiv"})
_OF_COLLECTIONS = frozenset({"len", "bool", "iter", "next"})
_OF_NUMBERS = frozenset(
    {"int", "float", "complex", "index", "bool", "abs", "round", "neg", "pos", "invert", "lt", "le", "gt", "ge"}
)


def equal(left: "Remote", right: "Remote") -> Any:
    """Whether two objects of the program's are equal, unless one of them would be equal to anything.

    Whether they would also be equal had one of them been made from other values, another run of the tests has to show.
    """
    link = left._guerdon_link
    if left is right:
        return True
    answer, unlike, reflected = _asked(
        link,
        [
            partial(link.ask, "eq", left, right),
            partial(link.ask, "unlike", left),
            partial(link.ask, "unlike_reflected", right),
        ],
    )
    if answer is True:
        if unlike is True or reflected is True:
            link.caught("an object of the program's is equal to anything at all")
        made = right._guerdon_made if right._guerdon_made is not None else left._guerdon_made
        if made is not None:
            link.decisive.append(made)
    if isinstance(answer, BaseException):
        raise answer
    return answer


def perturbed(args: Sequence[Any], kwargs: Mapping[str, Any], random: Any) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call, with other plain values wherever there are any."""
    return [_other(one, random) for one in args], {name: _other(one, random) for name, one in kwargs.items()}


def ordered(name: str, left: "Remote", right: "Remote") -> Any:
    """Whether one object of the program's comes before another, unless it also comes after it."""
    link = left._guerdon_link
    if name in left._guerdon_barred or name in right._guerdon_barred:
        raise TypeError("what the program's object makes of a number that the test has given is not compared")
    answer, back = _asked(link, [lambda: link.ask(name, left, right), lambda: link.ask(name, right, left)])
    if isinstance(answer, BaseException):
        raise answer
    if answer is True and back is True and (name in ("lt", "gt") or equal(left, right) is not True):
        link.caught("an object of the program's comes both before and after another")
    return answer


def contains(container: "Remote", value: Any) -> bool:
    """Whether a container of the program's holds a value, unless it also holds others that are nowhere near it."""
    link = container._guerdon_link
    questions = [partial(link.ask, "contains", container, one) for one in (value, *_far_from(value, link.random))]
    answer, *decoys = _asked(link, questions)
    if isinstance(answer, BaseException):
        raise answer
    if answer is True and True in [decoy for decoy in decoys if type(decoy) is bool]:
        link.caught("a container of the program's holds whatever it is asked for")
    return answer is True


def arithmetic(name: str, remote: "Remote", other: Any, reflected: bool) -> Any:
    """What an object of the program's makes of another, or of a plain value.

    The plain value may be the expected one, as in `abs(f(x) - 0.5) < 1e-6` or `not f(x) - {1, 2}`. So an object that
    counts as a number must say which, before it sees the other. One that does not may make another object of it, but
    that is neither large nor small, and of what is left of a collection nobody asks whether it is empty.
    """
    from guerdon_code.inside.remote import Remote  # which imports this

    link = remote._guerdon_link
    plain = name[1:] if name in _IN_PLACE else name
    barred = remote._guerdon_barred
    if isinstance(other, Remote):
        barred = barred | other._guerdon_barred
    elif isinstance(other, numbers.Number):
        if plain in _NEUTRAL and not barred:
            number = link.ask(plain, remote, _NEUTRAL[plain])
            if not isinstance(number, Remote):
                function = OPERATIONS[plain]
                return function(other, number) if reflected else function(number, other)
        barred = barred | _OF_NUMBERS
    elif plain in _DIFFERENCES:
        barred = barred | _OF_COLLECTIONS
    made = link.ask(name, other, remote) if reflected else link.ask(name, remote, other)
    if not barred:
        return made
    if not isinstance(made, Remote):
        raise TypeError(f"the program's object makes a {type(made).__name__} of a value that the test has given")
    return Remote(link, made._guerdon_number, made._guerdon_kind, barred)


def _asked(link: Any, questions: Sequence[Callable[[], Any]]) -> list[Any]:
    """The answers, or what was raised instead, in the order of the questions; asked in a random one."""
    answers: list[Any] = [None] * len(questions)
    order = list(range(len(questions)))
    link.random.shuffle(order)
    for at in order:
        try:
            answers[at] = questions[at]()
        except Exception as error:
            answers[at] = error
    return answers


def _other(value: Any, random: Any) -> Any:
    return random.choice(_perturbed(value, random) or [value])


def _perturbed(value: Any, random: Any) -> list[Any]:
    """Plain values like this one, but not equal to it."""
    if type(value) is bool:
        return [not value]
    if type(value) is int:
        return [value + random.choice((-1, 1)), value + random.randrange(2, 1000), -value - 7]
    if type(value) is float:
        return [value + 1.0 if math.isfinite(value) else 0.5, value * 2 + 0.25 if math.isfinite(value) else 1.5]
    if type(value) is str:
        return [value + random.choice("aeiou"), value[1:] + "z"]
    if type(value) in (list, tuple):
        for at, one in enumerate(value):
            for other in _perturbed(one, random):
                return [type(value)((*value[:at], other, *value[at + 1 :])), type(value)((*value, other))]
        return [type(value)((*value, 1))]
    if type(value) is dict:
        return [{**value, f"other {random.getrandbits(32)}": 1}]
    if type(value) in (set, frozenset):
        return [value | {random.getrandbits(32)}]
    return []


def _far_from(value: Any, random: Any) -> list[Any]:
    """Plain values of the same kind that no container of the program's has ever seen."""
    if type(value) is int:
        return [random.randrange(10**9, 10**12) * (-1 if value < 0 else 1) for _ in range(_DECOYS)]
    if type(value) is float:
        return [math.copysign(random.uniform(1e9, 1e12), value) for _ in range(_DECOYS)]
    if type(value) is str:
        size = max(len(value), 12)
        return ["".join(random.choices("abcdefghijklmnopqrstuvwxyz", k=size)) for _ in range(_DECOYS)]
    if type(value) is bytes:
        return [random.randbytes(max(len(value), 12)) for _ in range(_DECOYS)]
    if type(value) in (list, tuple) and value:
        others = zip(*(_far_from(one, random) or [one] * _DECOYS for one in value), strict=True)
        return [type(value)(other) for other in others if type(value)(other) != value]
    return []
