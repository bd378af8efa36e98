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
_PLAIN = frozenset({type(None), bool, int, float, str, bytes, dict, set, frozenset})
_NEUTRAL = {"add": 0, "sub": 0, "mul": 1, "truediv": 1}
IN_PLACE = frozenset({"iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "iand", "ior", "ixor"})
_DIFFERENCES = frozenset({"sub", "xor", "and_", "or_", "mod", "floordiv"})
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
        if (again := link.made_again.get(left._guerdon_number)) is not None:
            link.decisive.append(again)
        return True
    answer, unlike, reflected = _asked(
        link,
        [
            partial(link.ask, "eq", left, right),
            partial(link.ask, "unlike", left),
            partial(link.ask, "unlike_reflected", right),
        ],
    )
    if isinstance(answer, BaseException):
        raise answer
    if _is_yes(answer):
        if _is_yes(unlike) or _is_yes(reflected):
            link.caught("an object of the program's is equal to anything at all")
        # What both come from would change both.
        apart = right._guerdon_roots - left._guerdon_roots or left._guerdon_roots - right._guerdon_roots
        if apart:
            link.decisive.append(max(apart))
        return True
    return answer if type(answer) is bool or answer is NotImplemented else False


def _is_yes(answer: Any) -> bool:
    """Whether `if` would take an answer for a yes."""
    try:
        return not isinstance(answer, BaseException) and answer is not NotImplemented and bool(answer)
    except Exception:
        return False


def perturbed(args: Sequence[Any], kwargs: Mapping[str, Any], random: Any) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call, with other plain values wherever there are any."""
    return [_other(one, random) for one in args], {name: _other(one, random) for name, one in kwargs.items()}


class Sizes:
    """What an object of the program's says of its size to the tests, and how many values it then yields.

    `len(got) == len(want)` and a loop over both prove nothing, unless the two are about the same values.
    """

    def __init__(self, link: Any) -> None:
        self.link = link
        self.said: dict[int, tuple[int, int]] = {}
        self.other: set[int] = set()

    def of(self, remote: "Remote") -> int:
        """What `len` is told."""
        number, size = remote._guerdon_number, int(remote._whole("len"))
        effects, before = self.said.get(number, (self.link.effects, size))
        if number in self.other or (effects == self.link.effects and before != size):
            raise TypeError("the program's object has another length than it says")
        self.said[number] = self.link.effects, size
        return size

    def before(self, remote: "Remote") -> int | None:
        """The size before it is iterated, which may use it up; None where it has none."""
        try:
            size = self.link.ask("len", remote)
        except Exception:
            return None
        return size if type(size) is int else None

    def after(self, remote: "Remote", before: int | None, yielded: int) -> None:
        """Note how many values there were."""
        told = self.said.pop(remote._guerdon_number, None)
        if before is not None and before != yielded:
            self.other.add(remote._guerdon_number)
            if told is not None:
                raise TypeError("the program's object has another length than it says")


def constructors(link: Any) -> None:
    """Ask the tests' classes that made plain values for others: what is the same for all arguments says nothing."""
    if len(link.asked_for) < 2:
        return  # what the tests are about, whatever it is called
    for number in {remote._guerdon_number for remote, *_ in link.plainly_made}:
        made = [one for one in link.plainly_made if one[0]._guerdon_number == number]
        remote, args, kwargs, _ = made[-1]
        if type(made[-1][3]) is bool and len({one[3] for one in made if type(one[3]) is bool}) > 1:
            continue
        questions = [partial(link.ask, "call", remote, *perturbed(args, kwargs, link.random)) for _ in range(4)]
        answer, *others = _asked(link, [partial(link.ask, "call", remote, list(args), dict(kwargs)), *questions])
        if not isinstance(answer, BaseException) and all(answer is one or answer == one for one in others):
            link.caught("a class of the program's makes the same of all values")


def can_be_perturbed(args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether there is a plain value among the arguments of a call."""
    return any(_is_plain(one) for one in (*args, *kwargs.values()))


def ordered(name: str, left: "Remote", right: "Remote") -> Any:
    """Whether one object of the program's comes before another, unless it also comes after it."""
    link = left._guerdon_link
    if name in left._guerdon_barred or name in right._guerdon_barred:
        raise TypeError("what the program's object makes of a number that the test has given is not compared")
    answer, back = _asked(link, [lambda: link.ask(name, left, right), lambda: link.ask(name, right, left)])
    if isinstance(answer, BaseException):
        raise answer
    if _is_yes(answer) and _is_yes(back) and (name in ("lt", "gt") or equal(left, right) is not True):
        link.caught("an object of the program's comes both before and after another")
    return answer if answer is NotImplemented else _is_yes(answer)


def contains(container: "Remote", value: Any) -> bool:
    """Whether a container of the program's holds a value, unless it also holds others that are nowhere near it."""
    link = container._guerdon_link
    if has(container, "__next__") or not container._guerdon_named:
        return any(one is value or one == value for one in container)
    questions = [partial(link.ask, "contains", container, one) for one in (value, *_far_from(value, link.random))]
    answer, *decoys = _asked(link, questions)
    if isinstance(answer, BaseException):
        raise answer
    if answer is True and True in [decoy for decoy in decoys if type(decoy) is bool]:
        link.caught("a container of the program's holds whatever it is asked for")
    return answer is True


def has(remote: "Remote", attribute: str) -> bool:
    """Whether an object of the program's has an attribute."""
    try:
        remote._guerdon_link.ask("getattr", remote, attribute)
    except Exception:
        return False
    return True


def arithmetic(name: str, remote: "Remote", other: Any, reflected: bool) -> Any:
    """What an object of the program's makes of another, or of a plain value.

    The plain value may be the expected one, as in `abs(f(x) - 0.5) < 1e-6` or `not f(x) - {1, 2}`. So an object that
    counts as a number must say which, before it sees the other. One that does not may make another object of it, but
    that is neither large nor small, and of what is left of a collection nobody asks whether it is empty.
    """
    from guerdon_code.inside.remote import Remote  # which imports this

    link = remote._guerdon_link
    plain = name[1:] if name in IN_PLACE else name
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
        if isinstance(made, Remote) and remote._guerdon_named:
            object.__setattr__(made, "_guerdon_named", True)
        return remote._guerdon_passed_on(made, [other])
    if not isinstance(made, Remote):
        raise TypeError(f"the program's object makes a {type(made).__name__} of a value that the test has given")
    return remote._guerdon_passed_on(Remote(link, made._guerdon_number, made._guerdon_kind, barred), [other])


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


def _is_plain(value: Any) -> bool:
    if type(value) in (list, tuple):
        return not value or any(map(_is_plain, value))
    return type(value) in _PLAIN


def _other(value: Any, random: Any) -> Any:
    """A plain value that is not equal to this one, but looks no different: all that is in it is another."""
    other, kind = _moved(value, random), type(value)
    if kind is str:
        return other if other != value else value + "a"
    if kind is dict:
        return other if other != value else {**value, "a": 1}
    if kind in (set, frozenset):
        return other if other != value else kind((*value, random.getrandbits(32)))
    return other


def _moved(value: Any, random: Any) -> Any:
    kind = type(value)
    if value is None:
        return random.randrange(1, 10)
    if kind is bool:
        return not value
    if kind is int:
        step = random.choice((1, 1, 2, 3))
        return value + step if value >= 0 else value - step
    if kind is float:
        return value + random.choice((0.5, 1.0, 1.5)) if math.isfinite(value) else 0.5
    if kind is str:
        return "".join(map(_next_letter, value)) or "a"
    if kind is bytes:
        return bytes((one + 1) % 256 for one in value) or b"a"
    if kind in (list, tuple):
        return kind(_other(one, random) for one in value) if value else kind((1,))
    if kind is dict:
        return {key: _other(one, random) for key, one in value.items()} or {"a": 1}
    if kind in (set, frozenset):
        return kind(_other(one, random) for one in value) or kind((1,))
    return value


def _next_letter(letter: str) -> str:
    for last, first in (("z", "a"), ("Z", "A"), ("9", "0")):
        if letter == last:
            return first
    return chr(ord(letter) + 1) if letter.isalnum() else letter


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
    return [f"no {random.getrandbits(64)}", random.getrandbits(40)]
