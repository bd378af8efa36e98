"""The plugins that are installed, kept from writing among what a command prints."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from guerdon.registry import Registry


@contextmanager
def printing_aside() -> Iterator[None]:
    """In it, what a plugin prints goes to standard error."""
    with redirect_stdout(sys.stderr):
        yield


def registry() -> "Registry":
    """`guerdon.registry.load`, whatever a plugin prints while it is imported."""
    from guerdon import registry

    with printing_aside():
        return registry.load()
