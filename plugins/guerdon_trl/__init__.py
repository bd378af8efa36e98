"""The rewards of a run file as reward functions of TRL: `GRPOTrainer(reward_funcs=reward_funcs("mix.toml"), …)`.

Written for TRL 1.16, which it does not import.
"""

from guerdon_trl.functions import AsyncRewardFunction, RewardFunction, reward_funcs

__all__ = ["AsyncRewardFunction", "RewardFunction", "reward_funcs"]
