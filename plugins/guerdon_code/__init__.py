"""Code: programs that a model wrote, run against unit tests inside a sandbox."""

from collections.abc import Callable

from guerdon import Reward, hookimpl
from guerdon_code.unit_tests import UnitTests


@hookimpl
def register_rewards(register: Callable[[type[Reward]], None]) -> None:
    register(UnitTests)
