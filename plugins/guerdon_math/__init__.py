"""Mathematics for guerdon: the reward `boxed-math`, exact comparison of answers in `\\boxed{}`."""

from collections.abc import Callable

from guerdon import Reward, hookimpl
from guerdon_math.reward import BoxedMath

__all__ = ["BoxedMath"]


@hookimpl
def register_rewards(register: Callable[[type[Reward]], None]) -> None:
    """Offer `boxed-math`."""
    register(BoxedMath)
