"""The judge's end of the conversation with the guest: requests, replies, and what stands here for what lives there."""

import random
import sys
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, NoReturn

from guerdon_code.inside.channel import LARGEST_MESSAGE, Channel
from guerdon_code.inside.codec import Malformed, decode, encode
from guerdon_code.inside.controls import IN_PLACE, Sizes
from guerdon_code.inside.mirrors import Mirrors
from guerdon_code.inside.operations import OPERATIONS
from guerdon_code.inside.report import shortened

_EFFECTS = IN_PLACE | {"call", "setattr", "delattr", "setitem", "delitem", "await"}
_NAMES = ("__name__", "__qualname__", "__doc__")

_REACHING = [eval, exec, compile, open, getattr, setattr, delattr, vars, dir, globals, locals, __import__, input]
"""Builtins that reach beyond what they are given, which no test means that hands one over."""

FROM_GUEST, GUEST_ENDED = b"R", b"E"
TO_GUEST, VERDICT = b"G", b"V"


class Cheat(BaseException):
    """The program was caught at something that no honest one does."""


class Gone(BaseException):
    """The program's process has ended, or can no longer be understood."""


class Link:
    """Asks the guest. What it was caught at, and why it is gone, stays known whatever a test does with the exception.

    `remote` makes what stands for an object of the program's from its number and kind.
    """

    def __init__(self, channel: Channel, remote: Callable[["Link", int, str], Any]) -> None:
        self.channel = channel
        self.remote = remote
        self.mirrors = Mirrors(self)
        self.remotes: dict[int, Any] = {}
        self.shown: list[Any] = []
        """The test's own objects that the program was handed."""
        self.shown_as: dict[int, int] = {}
        self.test_modules: set[str] = set()
        self.random = random.SystemRandom()
        self.number = self.random.randrange(1 << 40)
        self.cheat: str | None = None
        self.gone: str | None = None
        self.calls = 0
        """Calls that tests have made."""
        self.perturbed: int | None = None
        """The call that gets other values than the test has given: a control."""
        self.decisive: list[int] = []
        """The calls that made what was found equal because an object of the program's says so."""
        self.effects = 0
        """Requests that may have changed something."""
        self.sizes = Sizes(self)
        self.classes: set[int] = set()
        """What the tests know by names of classes."""
        self.asked_for: set[int] = set()
        """What the tests have called."""
        self.plainly_made: list[Any] = []
        """Calls of what is named as a class is, and plain values that came of them."""
        self.made_again: dict[int, int] = {}
        """What the tests' own classes made when it was there already, and the call."""
        self.faulted: BaseException | None = None
        """The last exception that the program raised."""

    def ask(self, name: str, *args: Any, mutable: bool = False) -> Any:
        """What the guest answers; raises what it raises. Plain arguments in `args` change with theirs if `mutable`."""
        __tracebackhide__ = True  # from pytest, which shows the line of the test
        number = self.number = self.number + 1
        self.effects += name in _EFFECTS
        self._send([number, name, list(args), mutable])
        while True:
            reply = self._receive()
            if type(reply) is list and [type(part) for part in reply] == [str, int, str, list] and reply[0] == "back":
                self._called_back(*reply[1:])
                continue
            if type(reply) is not list or len(reply) != 5 or type(reply[0]) is not int:
                self.caught("a message that our guest does not write came from the program's process")
            if reply[0] != number:
                self.caught("a forged answer came from the program's process before the question")
            _, kind, value, printed, mutated = reply
            if type(printed) is str and printed:
                sys.stdout.write(printed)
            if kind == "fault":
                self.faulted = self.mirrors.raised(value)
                if isinstance(self.faulted, StopIteration | StopAsyncIteration):
                    # To `for`, `map` and `zip` it would be the end, and they would go on without it.
                    raise RuntimeError(f"the program raised {type(self.faulted).__name__}") from self.faulted
                raise self.faulted
            if mutable and type(mutated) is list:
                _update(args[1] if name == "call" else args[1:], mutated)
            return value

    def caught(self, evidence: str) -> NoReturn:
        """Say that the program cheats."""
        self.cheat = self.cheat or shortened(evidence)
        raise Cheat(self.cheat)

    def _send(self, message: list[Any]) -> None:
        if self.cheat is not None:
            raise Cheat(self.cheat)
        if self.gone is not None:
            raise Gone(self.gone)
        data = encode(message, self._handle)
        if len(data) > LARGEST_MESSAGE:
            raise ValueError(f"{len(data)} bytes of arguments are more than the {LARGEST_MESSAGE} that a call may have")
        self.channel.send(TO_GUEST + data)

    def _receive(self) -> Any:
        message = self.channel.receive()
        if message is None or message[:1] == GUEST_ENDED:
            self.gone = (message or b"Ethe sandbox ended")[1:].decode("utf-8", "replace")
            raise Gone(self.gone)
        try:
            return decode(message[1:], self._owned)
        except Malformed as error:
            self.caught(f"a message that our guest does not write came from the program's process: {error}")

    def _handle(self, value: object) -> list[Any]:
        number = self.mirrors.number_of(value)
        if number is None:
            number = getattr(type(value), "_guerdon_number_of", lambda _: None)(value)
        if number is not None:
            return [number]
        number = self.shown_as.setdefault(id(value), len(self.shown))
        if number == len(self.shown):
            self.shown.append(value)
        return ["test", number, "iterator" if isinstance(value, Iterator) else "object"]

    def _owned(self, parts: list[Any]) -> object:
        if len(parts) == 2 and parts[0] == "test" and type(parts[1]) is int and 0 <= parts[1] < len(self.shown):
            return self.shown[parts[1]]
        if len(parts) < 2 or type(parts[0]) is not int:
            raise Malformed("a handle of nothing")
        if parts[1] == "exception" and len(parts) == 3:
            return self.mirrors.of(parts[2])
        if len(parts) != 2 or parts[1] not in ("object", "class", "coroutine", "generator"):
            raise Malformed("a handle of nothing")
        number, kind = parts
        if number not in self.remotes:
            self.remotes[number] = self.remote(self, number, kind)
        return self.remotes[number]

    def _called_back(self, number: int, name: str, args: list[Any]) -> None:
        try:
            if not 0 <= number < len(self.shown):
                raise AttributeError("no such object")
            answer = ["return", self._done(self.shown[number], name, args)]
        except (Cheat, Gone):
            raise
        except BaseException as error:
            answer = ["raise", f"{type(error).__name__}: {error}"[:1000]]
        self._send(answer)

    def _done(self, value: Any, name: str, args: list[Any]) -> Any:
        """Only what a test means to allow when it hands something over: never a way to its frames and globals."""
        if name in ("call", "next") and not any(value is one for one in _REACHING):
            return OPERATIONS[name](value, *args)
        (attribute,) = args
        if attribute in _NAMES and isinstance(value, FunctionType | type):
            return getattr(value, attribute)
        if name != "getattr" or attribute.startswith("_") or type(value).__module__ not in self.test_modules:
            raise AttributeError(attribute)
        return getattr(value, attribute)


def _update(arguments: Any, mutated: list[Any]) -> None:
    """Let plain arguments be what the program has made of its copies of them."""
    before = [one for one in arguments if type(one) in (list, dict, set, bytearray)]
    if len(before) != len(mutated):
        return
    for old, new in zip(before, mutated, strict=True):
        if type(old) is not type(new):
            continue
        if isinstance(old, list | bytearray):
            old[:] = new
        elif old != new or list(old) != list(new):
            old.clear()
            old.update(new)
