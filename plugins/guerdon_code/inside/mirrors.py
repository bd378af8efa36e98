"""The program's own exception classes, as the judge's: empty ones with the same names."""

from typing import TYPE_CHECKING, Any

from guerdon_code.inside.codec import Malformed
from guerdon_code.inside.faults import found

if TYPE_CHECKING:
    from guerdon_code.inside.link import Link

_MOST = 1000
"""Classes of exceptions."""


class Mirrors:
    """Makes each class once, so that `pytest.raises` finds it."""

    def __init__(self, link: "Link") -> None:
        self.link = link
        self.classes: dict[int, type[BaseException]] = {}
        self.numbers: dict[type, int] = {}

    def of(self, chain: Any) -> type[BaseException]:
        """The class at the lower end of a chain that the guest has sent. Raises Malformed."""
        try:
            own, (module, name) = chain
            kind = found(module, name)
            for number, own_name in reversed(own):
                if type(number) is not int or type(own_name) is not str:
                    raise Malformed("a class without a name")
                kind = self._made(number, own_name, kind)
        except (TypeError, ValueError, LookupError, ImportError) as error:
            raise Malformed(f"no class of exceptions: {error}") from None
        return kind

    def raised(self, fault: Any) -> BaseException:
        """The exception that stands for one that the program has raised."""
        try:
            chain, said, args, number = fault
            kind = self.of(chain)
        except (TypeError, ValueError, Malformed) as wrong:
            self.link.caught(f"a message that our guest does not write came from the program's process: {wrong}")
        said = said if type(said) is str else ""
        error: Any = self._saying(kind, said, args)
        if kind in self.numbers:
            error.args = tuple(args) if type(args) is list else (said,)
            vars(error).update(_guerdon_said=said, _guerdon_number=number if type(number) is int else -1)
        vars(error)["_guerdon_from_program"] = True
        raised: BaseException = error
        return raised

    def _saying(self, kind: type[BaseException], said: str, args: Any) -> BaseException:
        tries = [(said,)] if kind in self.numbers or type(args) is not list else [tuple(args), (said,)]
        for one in tries:
            try:
                error = kind(*one)
                if str(error) == said:
                    return error
            except Exception:
                continue
        return kind.__new__(kind, said)

    def number_of(self, value: object) -> int | None:
        """The guest's number of what has a mirror here."""
        if isinstance(value, type):
            return self.numbers.get(value)
        if isinstance(value, BaseException) and type(value) in self.numbers:
            number: int | None = vars(value).get("_guerdon_number")
            return number
        return None

    def _made(self, number: int, name: str, base: type[BaseException]) -> type[BaseException]:
        kind = self.classes.get(number)
        if kind is None:
            if len(self.classes) >= _MOST or not name.isidentifier():
                raise Malformed("classes of exceptions that nobody needs")
            link = self.link

            def attribute(error: BaseException, wanted: str) -> Any:
                if wanted.startswith("_") or "_guerdon_number" not in vars(error):
                    raise AttributeError(wanted)
                return link.ask("getattr", link.remote(link, vars(error)["_guerdon_number"], "object"), wanted)

            def said(error: BaseException) -> str:
                return vars(error).get("_guerdon_said", None) or BaseException.__str__(error)

            kind = type(name, (base,), {"__module__": "program", "__getattr__": attribute, "__str__": said})
            self.classes[number] = kind
            self.numbers[kind] = number
        return kind
