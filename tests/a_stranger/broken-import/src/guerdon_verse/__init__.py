"""A guerdon plugin whose author forgot a dependency."""

import a_module_that_nobody_has  # noqa: F401

from guerdon import hookimpl


@hookimpl
def register_rewards(register):
    pass
