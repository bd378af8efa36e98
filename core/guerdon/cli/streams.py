"""Standard output and error, so that a stream which cannot be written ends a command with one clear word."""

import os
import sys
from collections.abc import Callable
from typing import Any, TextIO, TypeVar, cast

from guerdon.errors import DataError

_Result = TypeVar("_Result")


class OutputClosed(SystemExit):
    """Whoever read standard output has read enough. The exit code is a shell's for a process that SIGPIPE ended."""

    def __init__(self) -> None:
        super().__init__(141)


class _Stream:
    """A stream that is never asked twice after a write has failed."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        return self.trying(lambda: self.stream.write(text), len(text))

    def flush(self) -> None:
        self.trying(self.stream.flush, None)

    def trying(self, do: Callable[[], _Result], otherwise: _Result) -> _Result:
        try:
            return do()
        except OSError as error:
            # What is still buffered must not fail again, with a traceback, when Python ends.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
            self.failed(error)
            return otherwise

    def failed(self, error: OSError) -> None:
        """Messages say how things go, and are not what was asked for: a command goes on without them."""


class _Output(_Stream):
    def failed(self, error: OSError) -> None:
        """Raises OutputClosed, or DataError."""
        if isinstance(error, BrokenPipeError):
            raise OutputClosed from None
        what = f"cannot be written: {error.strerror or error}"
        raise DataError("standard output", what, "redirect it to where there is room") from None


def prepare() -> None:
    """Make standard output and error fit to be written by all commands. Raises DataError if output is closed."""
    if sys.stderr is None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.set_inheritable(2, True)  # workers need one too
        sys.stderr = os.fdopen(2, "w")
    if sys.stdout is None:
        # Not only where something is printed: the next file that is opened would be taken for standard output.
        raise DataError("standard output", "is closed", "redirect it to a file, or to /dev/null")
    for stream in (sys.stdout, sys.stderr):
        # Completions hold lone surrogates, and a terminal may not be UTF-8.
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
    sys.stdout = cast(TextIO, _Output(sys.stdout))
    sys.stderr = cast(TextIO, _Stream(sys.stderr))
