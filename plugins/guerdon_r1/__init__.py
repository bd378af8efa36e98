"""DeepSeek-R1 in small: a procedural task, the template of R1-Zero, and recipes that train with them."""

from collections.abc import Callable
from pathlib import Path

from guerdon import Tasks, hookimpl
from guerdon_r1.sums import Sums
from guerdon_r1.template import R1ZeroTemplate

__all__ = ["R1ZeroTemplate", "Sums"]


@hookimpl
def register_tasks(register: Callable[[type[Tasks]], None]) -> None:
    """Offer `sums` and `r1-zero-template`."""
    register(Sums)
    register(R1ZeroTemplate)


@hookimpl
def register_recipes(register: Callable[[Path], None]) -> None:
    """Offer `r1-zero` and `cold-start-rl`."""
    for recipe in sorted((Path(__file__).parent / "recipes").glob("*.toml")):
        register(recipe)
