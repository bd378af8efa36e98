"""What stands in the judge for an object of the program's.

A `Remote` is never equal to a plain value, and no plain value is ever sent for comparison: what is expected must not
enter the program's process. What the program's objects say of each other is checked with controls.
"""

import opcode
import sys
import types
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from guerdon_code.inside import controls
from guerdon_code.inside.codec import NAMED
from guerdon_code.inside.link import Link

_POP_TOP, _CACHE = opcode.opmap["POP_TOP"], 0
_MOST_PLAINLY_MADE = 100
_ASKED_BY_TESTS = ("__name__", "__qualname__", "__wrapped__", "__annotations__", "__defaults__")
_NO_CLASSES = {kind for kind in NAMED.values() if isinstance(kind, type) and not issubclass(kind, BaseException)} | {
    AssertionError,
    Exception,
    BaseException,
}
"""What a program must not give another name to, for a test would take it for a class or exception of its own."""
_TELL_NOTHING = frozenset(
    {name for name in dir(str) if name.startswith("is")}
    | {"startswith", "endswith", "issubset", "issuperset", "isdisjoint"}
    | {"difference", "symmetric_difference", "intersection", "union"}
)
"""What tests ask of text and sets, whose answer an object of the program's could give without being either."""
_ASKED_OF_EVERYTHING = ("_", "pytest")
"""Attributes that tools look for on whatever they meet. The program must not have a say in that."""


class Remote:
    # An object that lives in the program's process; its docstring is the program's too.

    __doc__ = property(lambda self: self._ask("getattr", "__doc__"))
    __slots__ = (
        "_guerdon_barred",
        "_guerdon_kind",
        "_guerdon_link",
        "_guerdon_named",
        "_guerdon_number",
        "_guerdon_roots",
    )

    def __init__(self, link: Link, number: int, kind: str, barred: frozenset[str] = frozenset()) -> None:
        put = object.__setattr__
        put(self, "_guerdon_link", link)
        put(self, "_guerdon_number", number)
        put(self, "_guerdon_kind", kind)
        put(self, "_guerdon_roots", frozenset())
        """The calls whose arguments it comes from, directly or by way of other objects."""
        put(self, "_guerdon_named", False)
        """Whether it is a class that the tests call by a name like one, or an object made by calling one."""
        put(self, "_guerdon_barred", barred)
        """Operations that it is not to be asked for: see `controls.arithmetic`."""

    def _guerdon_number_of(self) -> int:
        number: int = self._guerdon_number
        return number

    def _ask(self, name: str, *args: Any) -> Any:
        __tracebackhide__ = True
        link: Link = self._guerdon_link
        if name in self._guerdon_barred:
            raise TypeError(
                f"{name} of what the program's object makes of a value that the test has given proves nothing"
            )
        return self._guerdon_passed_on(link.ask(name, self, *args), args)

    def _guerdon_passed_on(self, value: Any, others: Iterable[Any] = (), root: int | None = None) -> Any:
        """The same value, which knows now what it comes from."""
        if isinstance(value, Remote) and value is not self:
            roots = value._guerdon_roots.union(
                *(one._guerdon_roots for one in (self, *others) if isinstance(one, Remote))
            )
            object.__setattr__(value, "_guerdon_roots", roots | {root} if root is not None else roots)
        return value

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        frame = sys._getframe(1)
        link = self._guerdon_link
        number, given, named = link.calls, list(args), kwargs
        link.calls += 1
        if number == link.perturbed:
            given, named = controls.perturbed(args, kwargs, link.random)
        known, is_class = len(link.remotes), self._guerdon_number in link.classes
        link.asked_for.add(self._guerdon_number)
        made = link.ask("call", self, given, named, mutable=_result_is_unused(frame))
        if is_class and isinstance(made, Remote):
            object.__setattr__(made, "_guerdon_named", True)
        if not controls.can_be_perturbed(args, kwargs):
            return self._guerdon_passed_on(made, (*args, *kwargs.values()))
        if is_class and not isinstance(made, Remote):
            link.plainly_made[_MOST_PLAINLY_MADE:] = []
            link.plainly_made.append((self, args, kwargs, made))
        elif is_class and len(link.remotes) == known:
            link.made_again[made._guerdon_number] = number
        return self._guerdon_passed_on(made, (*args, *kwargs.values()), number)

    def __getattr__(self, name: str) -> Any:
        if name.startswith(_ASKED_OF_EVERYTHING) and not (name in _ASKED_BY_TESTS or self._is_private(name)):
            raise AttributeError(name)
        if name in _TELL_NOTHING and not self._guerdon_named:
            return partial(self._guerdon_told, name)
        return called(self._ask("getattr", name), name)

    def _guerdon_told(self, name: str, *args: Any) -> Any:
        if not args or not all(isinstance(one, Remote) for one in args):
            raise AttributeError(f"{name} of an object that is no text and no set")
        return self._ask("getattr", name)(*args)

    @staticmethod
    def _is_private(name: str) -> bool:
        return name.startswith("_") and not name.startswith(("__", "_pytest", "_guerdon"))

    def __setattr__(self, name: str, value: Any) -> None:
        self._ask("setattr", name, value)

    def __delattr__(self, name: str) -> None:
        self._ask("delattr", name)

    def __eq__(self, other: object) -> Any:
        return controls.equal(self, other) if isinstance(other, Remote) else NotImplemented

    def __ne__(self, other: object) -> Any:
        if not isinstance(other, Remote):
            return NotImplemented
        equal = controls.equal(self, other)
        return not equal if type(equal) is bool else self._ask("ne", other)

    def __lt__(self, other: object) -> Any:
        return controls.ordered("lt", self, other) if isinstance(other, Remote) else NotImplemented

    def __gt__(self, other: object) -> Any:
        return controls.ordered("gt", self, other) if isinstance(other, Remote) else NotImplemented

    def __le__(self, other: object) -> Any:
        return controls.ordered("le", self, other) if isinstance(other, Remote) else NotImplemented

    def __ge__(self, other: object) -> Any:
        return controls.ordered("ge", self, other) if isinstance(other, Remote) else NotImplemented

    def __contains__(self, value: object) -> bool:
        return controls.contains(self, value)

    def __hash__(self) -> int:
        return int(self._whole("hash"))

    def __len__(self) -> int:
        sizes: controls.Sizes = self._guerdon_link.sizes
        return sizes.of(self)

    def __index__(self) -> int:
        return int(self._whole("index"))

    def __int__(self) -> int:
        return int(self._whole("int"))

    def __float__(self) -> float:
        return float(self._plain("float", float))

    def __complex__(self) -> complex:
        return complex(self._plain("complex", complex))

    def __bytes__(self) -> bytes:
        return bytes(self._plain("bytes", bytes))

    def __bool__(self) -> bool:
        return bool(self._plain("bool", bool))

    def __str__(self) -> str:
        return str(self._plain("str", str))

    def __repr__(self) -> str:
        return str(self._plain("repr", str))

    def __format__(self, spec: str) -> str:
        return str(self._plain("format", str, spec))

    def __dir__(self) -> list[str]:
        return [name for name in self._plain("dir", list) if type(name) is str]

    def __iter__(self) -> Iterator[Any]:
        link: Link = self._guerdon_link
        size, yielded, effects = link.sizes.before(self), 0, link.effects
        iterator = self._ask("iter")
        while one := link.ask("next", iterator):
            yielded += 1
            yield self._guerdon_passed_on(one[0])
        if effects == link.effects:
            link.sizes.after(self, size, yielded)

    def __next__(self) -> Any:
        for value in self._plain("next", list):
            return value
        raise StopIteration

    def __reversed__(self) -> Any:
        return self._ask("reversed")

    def __getitem__(self, key: Any) -> Any:
        return self._ask("getitem", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._ask("setitem", key, value)

    def __delitem__(self, key: Any) -> None:
        self._ask("delitem", key)

    def __enter__(self) -> Any:
        return self._guerdon_link.ask("call", self._ask("getattr", "__enter__"), [], {})

    def __exit__(self, kind: Any, error: Any, trace: Any) -> Any:
        swallowed = self._guerdon_link.ask("call", self._ask("getattr", "__exit__"), [kind, error, None], {})
        # What a test has to say about the program is not the program's to swallow.
        own = not isinstance(error, Exception) or (
            isinstance(error, AssertionError) and not vars(error).get("_guerdon_from_program")
        )
        return swallowed if error is None or not own else False

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        raise TypeError("a test cannot extend a class of the program's, which is in another process")

    def __copy__(self) -> Any:
        return self._ask("copy")

    def __deepcopy__(self, memo: Any) -> Any:
        return self._ask("deepcopy")

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, Remote) and bool(self._ask("isinstance", value) is True)

    def __subclasscheck__(self, kind: type) -> bool:
        return isinstance(kind, Remote) and bool(self._ask("issubclass", kind) is True)

    def _plain(self, name: str, kind: type, *args: Any) -> Any:
        __tracebackhide__ = True
        value = self._ask(name, *args)
        if type(value) is not kind:
            raise TypeError(f"{name}() of the program's object returned a {type(value).__name__}")
        return value

    def _whole(self, name: str) -> int:
        return int(self._plain(name, int))


def called(value: Any, name: str) -> Any:
    """What the tests know by this name: where it begins as names of classes do, they take it for one."""
    if isinstance(value, Remote) and name.lstrip("_")[:1].isupper():
        object.__setattr__(value, "_guerdon_named", True)
        value._guerdon_link.classes.add(value._guerdon_number)
    elif isinstance(value, type) and value in _NO_CLASSES and name != value.__name__:
        raise AttributeError(f"{name} is no class of the program's")
    return value


class Generator(Remote):
    """A generator of the program's, which is one to `isinstance` here too."""

    __slots__ = ()
    __class__ = property(lambda self: types.GeneratorType)


async def coroutine(link: Link, remote: Remote) -> Any:
    """What stands for a coroutine of the program's: awaited, it runs there to its end."""
    return link.ask("await", remote)


def standing_for(link: Link, number: int, kind: str) -> Any:
    """What stands for the guest's object of that number."""
    remote = (Generator if kind == "generator" else Remote)(link, number, kind)
    return coroutine(link, remote) if kind == "coroutine" else remote


def _result_is_unused(frame: Any) -> bool:
    """Whether the call that this frame is in is a statement of its own, so that it can only be about its effect.

    Where a result is used, the program must not be able to change what it is then compared with.
    """
    code = frame.f_code.co_code
    at = frame.f_lasti + 2
    while at < len(code) and code[at] == _CACHE:
        at += 2
    return bool(at < len(code) and code[at] == _POP_TOP)


def _arithmetic(name: str, reflected: bool) -> Any:
    def operate(self: Remote, other: Any) -> Any:
        __tracebackhide__ = True
        return controls.arithmetic(name, self, other, reflected)

    return operate


def _unary(name: str) -> Any:
    def operate(self: Remote, *args: Any) -> Any:
        __tracebackhide__ = True
        return self._ask(name, *args)

    return operate


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "matmul", "pow", "divmod", "lshift", "rshift"):
    setattr(Remote, f"__{_name}__", _arithmetic(_name, False))
    setattr(Remote, f"__r{_name}__", _arithmetic(_name, True))
for _name in ("and_", "or_", "xor"):
    setattr(Remote, f"__{_name.strip('_')}__", _arithmetic(_name, False))
    setattr(Remote, f"__r{_name.strip('_')}__", _arithmetic(_name, True))
for _name in ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "iand", "ior", "ixor"):
    setattr(Remote, f"__{_name}__", _arithmetic(_name, False))
for _name in ("neg", "pos", "abs", "invert", "round"):
    setattr(Remote, f"__{_name}__", _unary(_name))
