import pytest
from guerdon_best_of import Ends
from guerdon_best_of.trainer import best_of_groups

from guerdon import DataError, Outcome, Rollout, Task, Total
from guerdon.testing import check_reward

TASK = Task("sum", "1+1=?")


def total(value):
    return Total(value, Outcome.UNAVAILABLE if value is None else Outcome.SCORED, "", {})


def test_it_pays_for_an_end():
    check_reward(Ends(), right=[Rollout(TASK, "2")], wrong=[Rollout(TASK, "2222", truncated=True)])


def test_the_best_of_each_group_is_kept_and_no_score_is_no_zero():
    rollouts = [Rollout(TASK, text) for text in ("a", "b", "c", "d", "e", "f")]
    totals = [total(value) for value in (-1.0, None, -0.5, 1.0, 1.0, None)]
    assert [one.completion for one in best_of_groups(rollouts, ["1", "1", "1", "2", "2", "2"], totals)] == ["c"]


def test_what_it_cannot_train_is_refused(tmp_path):
    from guerdon_best_of.learner import Learner

    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(DataError, match="leave `lora_rank` out"):
        Learner(tmp_path, 1e-3)
