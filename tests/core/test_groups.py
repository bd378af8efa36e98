"""The metrics of a step, whoever sampled and trained."""

import pytest

from guerdon import Scored, group_metrics


def scored(total, length=4, truncated=False, completion_ids=None, **terms):
    return Scored(total, terms, range(length) if completion_ids is None else completion_ids, truncated)


def test_means_are_of_what_has_a_score():
    metrics = group_metrics([[scored(1.0, a=1.0), scored(None, a=None)], [scored(0.0, a=0.5), scored(2.0, a=None)]])
    assert metrics["reward"] == 1.0
    assert metrics["rewards/a/mean"] == 0.75
    assert metrics["rollouts/unscored"] == 1.0
    assert metrics["groups/dropped"] == 1.0
    assert metrics["reward_std"] == pytest.approx(2**0.5)
    assert metrics["frac_reward_zero_std"] == 0.0


def test_a_term_that_never_gave_a_score_has_no_mean():
    metrics = group_metrics([[scored(None, a=None), scored(None, a=None)]])
    assert not {"reward", "reward_std", "frac_reward_zero_std", "rewards/a/mean"} & set(metrics)
    assert metrics["rollouts/unscored"] == 2.0


def test_lengths_are_in_tokens():
    metrics = group_metrics([[scored(1.0, length=2), scored(1.0, length=6, truncated=True)]])
    assert metrics["completions/mean_length"] == 4.0
    assert metrics["completions/clipped_ratio"] == 0.5
    assert metrics["tokens"] == 8.0
    assert metrics["frac_reward_zero_std"] == 1.0
