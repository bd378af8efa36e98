"""`compute_score`, in the three ways in which verl calls such a function.

All take what verl hands over and the keys of `reward_kwargs` (`guerdon_verl.settings.Settings`), and return `score`
with every term's value, outcome and reason beside it. Rewards are opened once in each process that scores.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from guerdon_verl.judging import judge_of


def compute_score(
    data_source: Any,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    **reward_kwargs: Any,
) -> dict[str, float | str]:
    """Judge one completion; other threads may do so meanwhile. Raises GuerdonError."""
    judge = judge_of(reward_kwargs)
    rollout = judge.rollout(data_source, solution_str, ground_truth, extra_info)
    return judge.told(judge.mixture.submit([rollout]).result()[0])


async def compute_score_async(
    data_source: Any,
    solution_str: str,
    ground_truth: Any,
    extra_info: Mapping[str, Any] | None = None,
    **reward_kwargs: Any,
) -> dict[str, float | str]:
    """Judge one completion; as many at the same time as verl has sampled. Raises GuerdonError."""
    judge = await asyncio.to_thread(judge_of, reward_kwargs)
    rollout = judge.rollout(data_source, solution_str, ground_truth, extra_info)
    (total,) = await judge.mixture.score([rollout])
    return judge.told(total)


def compute_score_batch(
    data_sources: Sequence[Any],
    solution_strs: Sequence[str],
    ground_truths: Sequence[Any],
    extra_infos: Sequence[Mapping[str, Any] | None],
    **reward_kwargs: Any,
) -> list[dict[str, float | str]]:
    """Judge a batch at once, for verl's `BatchRewardManager`. Raises GuerdonError."""
    judge = judge_of(reward_kwargs)
    columns = (data_sources, solution_strs, ground_truths, extra_infos)
    rollouts = [judge.rollout(*row) for row in zip(*columns, strict=True)]
    return [judge.told(total) for total in judge.mixture.submit(rollouts).result()]
