"""A guerdon plugin: pays for thinking in the language of the task."""

from collections.abc import Callable

from guerdon import Reward, hookimpl
from guerdon_language.reward import LanguageConsistency

__all__ = ["LanguageConsistency"]


@hookimpl
def register_rewards(register: Callable[[type[Reward]], None]) -> None:
    """Offer `language-consistency`."""
    register(LanguageConsistency)
