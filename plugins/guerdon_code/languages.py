"""Languages: how a program is compiled and started."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from guerdon import Program, Sandbox

MOST_BINARY = 32 << 20
"""Bytes of a compiled program."""


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    if not parts or parts[0] == "/" or ".." in parts:
        raise ValueError("is no path inside of a directory")
    return path


_Path = Annotated[str, AfterValidator(_inside)]


class Language(BaseModel):
    """How programs of one language are compiled and started."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    file: _Path
    """The name that the program is written under."""
    run: tuple[str, ...] = Field(min_length=1)
    """The command that starts it."""
    compile: tuple[str, ...] | None = Field(None, min_length=1)
    """The command that compiles it, once per program. What is run is then `binary` alone."""
    binary: _Path | None = None
    """The file that `compile` makes."""
    sandbox: Sandbox | None = None
    """Where it runs, such as a sandbox with another image; by default where everything runs."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> "Language":
        if (self.compile is None) != (self.binary is None):
            raise ValueError("`compile` and `binary` go together")
        return self


_BINARY = ("./program",)

BUILT_IN = {
    "python": Language(file="program.py", run=("python3", "program.py")),
    "c": Language(
        file="program.c",
        compile=("gcc", "-O2", "-std=gnu11", "-o", "program", "program.c", "-lm"),
        binary="program",
        run=_BINARY,
    ),
    "cpp": Language(
        file="program.cpp",
        compile=("g++", "-O2", "-std=gnu++17", "-o", "program", "program.cpp"),
        binary="program",
        run=_BINARY,
    ),
}


@dataclass(frozen=True)
class Source:
    """A program's text and its language; in `helpers`, source of what the task itself defines for its tests."""

    text: str
    language: Language
    helpers: str = ""

    @property
    def files(self) -> dict[str, bytes]:
        """What is compiled, or run as it is."""
        return {self.language.file: self.text.encode("utf-8", "surrogatepass")}

    @property
    def compiling(self) -> Program | None:
        """What compiles it and writes the binary to its standard output."""
        if self.language.compile is None or self.language.binary is None:
            return None
        script = '"$@" >&2 && cat -- "$0"'
        return Program(self.files, ("sh", "-c", script, self.language.binary, *self.language.compile))

    def runnable(self, binary: bytes | None) -> Program:
        """What a case runs."""
        files = self.files if binary is None else {str(self.language.binary): binary}
        return Program(files, self.language.run)
