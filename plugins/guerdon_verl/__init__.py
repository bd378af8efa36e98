"""The rewards of a run file as verl's custom reward function: `custom_reward_function.path=pkg://guerdon_verl`.

Written for verl 0.9.1, which it does not import.
"""

from guerdon_verl.functions import compute_score, compute_score_async, compute_score_batch

__all__ = ["compute_score", "compute_score_async", "compute_score_batch"]
