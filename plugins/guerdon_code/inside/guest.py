"""The guest: holds the program, and does with its objects what the judge asks for. It knows no test.

Nothing here is to be trusted: the program runs in the same process, and may change all of it.
"""

import io
import linecache
import os
import sys
import types
from typing import Any

from guerdon_code.inside.channel import LARGEST_MESSAGE, Channel
from guerdon_code.inside.codec import decode, encode
from guerdon_code.inside.faults import known
from guerdon_code.inside.operations import OPERATIONS

MOST_PRINTED = 1 << 20
"""Bytes that the program prints during one request and the judge gets to see."""
_MUTABLE = (list, dict, set, bytearray)


class Guest:
    """The program's objects, by number, and the conversation about them."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.objects: list[Any] = []
        self.numbers: dict[int, int] = {}
        self.foreign: dict[int, Foreign] = {}
        self.loaded: dict[str, types.ModuleType] = {}
        self.printed = _Printed()

    def serve(self) -> None:
        """Answer until nobody asks any more."""
        self.answer_until_returned()

    def answer_until_returned(self) -> Any:
        """Answer requests; the end is the judge's return from what the program has called there."""
        while (message := self.channel.receive()) is not None:
            request = decode(message, self.owned)
            if request[0] == "return":
                return request[1]
            if request[0] == "raise":
                raise RuntimeError(request[1])
            self.answer(*request)
        os._exit(0)

    def answer(self, number: int, name: str, args: list[Any], wants_mutations: bool) -> None:
        """Do what is asked for, and say what came of it."""
        try:
            value = self.load(*args) if name == "load" else OPERATIONS[name](*args)
            reply = [number, "value", value]
        except BaseException as error:
            reply = [number, "fault", self.fault(error)]
        # What a call has made of the plain values that it was given.
        inner = args[1] if name == "call" else args[1:]
        reply += [self.printed.taken(), [one for one in inner if type(one) in _MUTABLE] if wants_mutations else None]
        try:
            data = encode(reply, self.handle)
            if len(data) > LARGEST_MESSAGE:
                raise ValueError(f"a result of {len(data)} bytes is more than the {LARGEST_MESSAGE} that are read")
        except BaseException as error:
            data = encode([number, "fault", self.fault(error), "", None], self.handle)
        self.channel.send(data)

    def load(self, name: str, source: str, setup: str) -> Any:
        """Run the program as a module."""
        # To load it again is what `importlib.reload` does.
        module = self.loaded.setdefault(name, types.ModuleType(name))
        module.__file__ = os.path.abspath(name.replace(".", "/") + ".py")
        sys.modules[name] = module
        parent, _, child = name.rpartition(".")
        if parent in sys.modules:
            setattr(sys.modules[parent], child, module)
        linecache.cache[module.__file__] = (len(source), None, source.splitlines(True), module.__file__)
        if setup:
            exec(compile(setup, "setup", "exec"), module.__dict__)
        exec(compile(source, module.__file__, "exec"), module.__dict__)
        return module

    def call_back(self, number: int, name: str, args: list[Any]) -> Any:
        """Have the judge do something with an object of the test's."""
        self.channel.send(encode(["back", number, name, args], self.handle))
        return self.answer_until_returned()

    def handle(self, value: object) -> list[Any]:
        """The JSON that stands for an object of the program's, or for one of the test's that it hands back."""
        if isinstance(value, Foreign):
            return ["test", object.__getattribute__(value, "_number")]
        number = self.numbers.get(id(value))
        if number is None:
            number = self.numbers[id(value)] = len(self.objects)
            self.objects.append(value)
        if isinstance(value, type):
            if issubclass(value, BaseException):
                return [number, "exception", self.chain(value)]
            return [number, "class"]
        kinds = {types.CoroutineType: "coroutine", types.GeneratorType: "generator"}
        return [number, kinds.get(type(value), "object")]

    def owned(self, parts: list[Any]) -> object:
        """What a handle of the judge's stands for."""
        if parts[0] == "test":
            # The same object each time, or no list of callbacks could find it again.
            kind = ForeignIterator if parts[2] == "iterator" else Foreign
            return self.foreign.setdefault(parts[1], kind(self, parts[1]))
        return self.objects[parts[0]]

    def chain(self, kind: type[BaseException]) -> list[Any]:
        """The program's own classes above an exception, each with its number, and the first one that all know."""
        own: list[Any] = []
        for one in type.mro(kind):
            if issubclass(one, BaseException):
                if shared := known(one):
                    return [own, shared]
                number = self.numbers.setdefault(id(one), len(self.objects))
                if number == len(self.objects):
                    self.objects.append(one)
                own.append([number, one.__name__])
        raise TypeError("an exception without a base")

    def fault(self, error: BaseException) -> list[Any]:
        """An exception as the judge gets it: its class, what it says, its arguments where they are plain, itself."""
        try:
            said = str(error)[:10_000]
        except BaseException:
            said = "an exception that cannot say what it is"
        plain = [one for one in error.args if type(one) in (str, int, float, bool, type(None), bytes)]
        number = self.handle(error)[0]
        return [self.chain(type(error)), said, plain if len(plain) == len(error.args) else None, number]


class Foreign:
    """An object of the test's: it can be called, and has the attributes that do not begin with an underscore."""

    def __init__(self, guest: Guest, number: int) -> None:
        object.__setattr__(self, "_guest", guest)
        object.__setattr__(self, "_number", number)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._guest.call_back(self._number, "call", [list(args), kwargs])

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") and name not in ("__name__", "__qualname__"):
            raise AttributeError(name)
        return self._guest.call_back(self._number, "getattr", [name])


class ForeignIterator(Foreign):
    """An iterator of the test's."""

    def __iter__(self) -> "ForeignIterator":
        return self

    def __next__(self) -> Any:
        for value in self._guest.call_back(self._number, "next", []):
            return value
        raise StopIteration


class _Printed(io.RawIOBase):
    """What the program prints, up to a cap."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.text = io.TextIOWrapper(io.BufferedWriter(self), "utf-8", "surrogateescape", write_through=True)
        self.born_with = sys.__stdout__  # or its end would close descriptor 1
        sys.stdout = sys.__stdout__ = self.text  # type: ignore[misc]

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        room = MOST_PRINTED - len(self.data)
        if room > 0:
            self.data += bytes(data)[:room]
        return len(data)

    def taken(self) -> str:
        try:
            self.text.flush()
        except BaseException:  # the program has closed it
            pass
        text = self.data.decode("utf-8", "replace")
        self.data.clear()
        return text


def main() -> None:
    """Serve the judge."""
    sys.path[0] = os.getcwd()
    sys.argv = ["solution"]
    guest = Guest(Channel())
    sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False), "utf-8")
    guest.serve()
