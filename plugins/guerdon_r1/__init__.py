"""DeepSeek-R1 in small: procedural tasks, the template of R1-Zero, and recipes that train with them."""

from collections.abc import Callable
from pathlib import Path

from guerdon import Tasks, hookimpl
from guerdon_r1.small_talk import SmallTalk
from guerdon_r1.sums import Sums
from guerdon_r1.template import R1ZeroTemplate

__all__ = ["R1ZeroTemplate", "SmallTalk", "Sums"]


@hookimpl
def register_tasks(register: Callable[[type[Tasks]], None]) -> None:
    """Offer `sums`, `small-talk` and `r1-zero-template`."""
    register(Sums)
    register(SmallTalk)
    register(R1ZeroTemplate)


@hookimpl
def register_recipes(register: Callable[[Path], None]) -> None:
    """Offer every recipe that lies beside this file."""
    for recipe in sorted((Path(__file__).parent / "recipes").glob("*.toml")):
        register(recipe)
