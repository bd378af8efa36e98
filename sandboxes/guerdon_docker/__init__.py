"""Docker: a pool of warm containers in which every program gets namespaces of its own."""

from collections.abc import Callable

from guerdon import Sandbox, hookimpl
from guerdon_docker.docker import Docker


@hookimpl
def register_sandboxes(register: Callable[[type[Sandbox]], None]) -> None:
    register(Docker)
