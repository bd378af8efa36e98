"""What the judge found out."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

LONGEST = 300
"""Characters of anything that is quoted."""


@dataclass
class Report:
    """How many cases there are and how many of those that ran passed; the first that did not, and why.

    `cheat` is the evidence of one. `bad_tests` says that the tests broke without the program's doing, as far as the
    judge can see. `decisive` are numbers of calls: had they been made with other values, something must have failed.
    The host notes how many seconds it took, and whether a limit has ended the program.
    """

    cases: int = 0
    passed: int = 0
    case: int | None = None
    why: str | None = None
    cheat: str | None = None
    bad_tests: str | None = None
    decisive: list[int] = field(default_factory=list)
    seconds: float = 0.0
    cut: bool = False

    def failed(self, case: int, why: str) -> None:
        """Note a case that failed; only the first is told of."""
        if self.case is None:
            self.case, self.why = case, printable(why[: 5 * LONGEST])

    def json(self) -> bytes:
        """The report as bytes."""
        return json.dumps(asdict(self)).encode()


def printable(text: str) -> str:
    """Text without signs that would mean something to a terminal, or nothing to a writer of files."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def shortened(text: str) -> str:
    """Text as it may be quoted: short, and of signs that can be printed."""
    text = printable(text[: LONGEST + 1])
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def shown(value: Any) -> str:
    """A value as it is quoted in a reason."""
    try:
        text = repr(value)
    except Exception as error:
        text = f"<a {type(value).__name__} that cannot be shown: {type(error).__name__}>"
    return shortened(text)


def told(error: BaseException) -> str:
    """An exception as it is quoted in a reason."""
    try:
        said = str(error)
    except Exception:
        said = ""
    return shortened(type(error).__name__ + (f": {said}" if said else ""))
