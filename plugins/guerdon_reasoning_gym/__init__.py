"""A guerdon plugin: the procedural tasks of reasoning-gym, and its own scorers as a reward."""

from collections.abc import Callable

from guerdon import Reward, Tasks, hookimpl
from guerdon_reasoning_gym.reward import ReasoningGym
from guerdon_reasoning_gym.tasks import ReasoningGymTasks

__all__ = ["ReasoningGym", "ReasoningGymTasks"]


@hookimpl
def register_rewards(register: Callable[[type[Reward]], None]) -> None:
    """Offer `reasoning-gym`."""
    register(ReasoningGym)


@hookimpl
def register_tasks(register: Callable[[type[Tasks]], None]) -> None:
    """Offer `reasoning-gym`."""
    register(ReasoningGymTasks)
