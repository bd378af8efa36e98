"""Rewards that are models of preference: trained to score answers, as DeepSeek-R1's for helpfulness and safety."""

from collections.abc import Callable

from guerdon import Reward, hookimpl
from guerdon_preference.reward import PreferenceModel

__all__ = ["PreferenceModel"]


@hookimpl
def register_rewards(register: Callable[[type[Reward]], None]) -> None:
    """Offer `preference-model`."""
    register(PreferenceModel)
