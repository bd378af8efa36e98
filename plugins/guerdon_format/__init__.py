"""A guerdon plugin: pays for the form of a completion: its tags, its length, its variety, its readability."""

from collections.abc import Callable

from guerdon import Reward, hookimpl
from guerdon_format.overlong import Overlong
from guerdon_format.readability import Readability
from guerdon_format.repetition import Repetition
from guerdon_format.think_tags import ThinkTags

__all__ = ["Overlong", "Readability", "Repetition", "ThinkTags"]


@hookimpl
def register_rewards(register: Callable[[type[Reward]], None]) -> None:
    """Offer `think-tags`, `overlong`, `repetition` and `readability`."""
    register(ThinkTags)
    register(Overlong)
    register(Repetition)
    register(Readability)
