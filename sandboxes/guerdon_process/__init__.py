"""A plain child process, for tests: it stops accidents, not attackers."""

from collections.abc import Callable

from guerdon import Sandbox, hookimpl
from guerdon_process.process import Process


@hookimpl
def register_sandboxes(register: Callable[[type[Sandbox]], None]) -> None:
    register(Process)
