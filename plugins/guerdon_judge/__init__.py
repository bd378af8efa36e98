"""Rewards that are models: large ones that judge, behind an OpenAI-compatible endpoint."""

from collections.abc import Callable

from guerdon import Reward, hookimpl
from guerdon_judge.options import Criterion, JudgeModel
from guerdon_judge.pairs import JudgePairs
from guerdon_judge.reward import Judge

__all__ = ["Criterion", "Judge", "JudgeModel", "JudgePairs"]


@hookimpl
def register_rewards(register: Callable[[type[Reward]], None]) -> None:
    """Offer `judge` and `judge-pairs`."""
    register(Judge)
    register(JudgePairs)
