"""The reward `judge-pairs`: who meets whom, in which order, and what that earns."""

from collections import Counter
from typing import Any

import pytest
from judge_server import JudgeServer, answers_of, at, says, scores

from guerdon import Outcome, Rollout, Task
from guerdon.testing import check_reward
from guerdon_judge import JudgeModel, JudgePairs

TASK = Task("t", "Say a number.", metadata={"usual": "5"})


def pairs(server: JudgeServer, **options: Any) -> JudgePairs:
    return JudgePairs(judges=(JudgeModel(**at(server)),), **options)


@pytest.fixture
def larger(server: JudgeServer) -> JudgeServer:
    """A judge to whom the larger number is the better one."""
    server.rule = lambda parts: {name: int(parts[name]) if parts[name].isdigit() else 0 for name in "AB"}
    return server


def test_a_better_completion_earns_more(larger: JudgeServer) -> None:
    values = [score.value for score in scores(pairs(larger), "1", "9", "5", task=TASK)]
    assert values == pytest.approx([0.5 + (-8 - 4) / 40, 0.5 + (8 + 4) / 40, 0.5 + (4 - 4) / 40])


def test_each_pair_is_asked_in_both_orders_and_a_judge_who_likes_the_first_moves_nothing(server: JudgeServer) -> None:
    server.rule = lambda parts: {"A": 10, "B": 0}
    one, other = scores(pairs(server), "x", "y", task=TASK)
    assert (one.value, other.value) == (0.5, 0.5)
    assert sorted(answers_of(asked.body) for asked in server.asked) == [["x", "y"], ["y", "x"]]


def test_four_judgments_as_r1_asked_for(server: JudgeServer) -> None:
    scores(pairs(server, times=2), "x", "y", task=TASK)
    assert len(server.asked) == 4
    assert len({asked.body["seed"] for asked in server.asked}) == 4


def test_both_of_a_pair_are_told_the_same_from_where_they_stand(larger: JudgeServer) -> None:
    one, other = (score.evidence["comparisons"][0] for score in scores(pairs(larger), "3", "8", task=TASK))
    assert (one["difference"], other["difference"]) == (-5.0, 5.0)
    assert [said["stood"] for said in one["judgments"]] == ["A", "B"]
    assert [said["stood"] for said in other["judgments"]] == ["B", "A"]
    assert [said["mine"]["mark"] for said in one["judgments"]] == [3.0, 3.0]
    assert [said["mine"] for said in one["judgments"]] == [said["theirs"] for said in other["judgments"]]


def test_places_may_be_drawn_as_r1s_were_and_are_the_same_for_the_same_texts(larger: JudgeServer) -> None:
    drawn = pairs(larger, times=2, places="drawn")
    first = scores(drawn, *"123456", task=TASK)
    stood = [
        "".join(said["stood"] for said in comparison["judgments"])
        for score in first
        for comparison in score.evidence["comparisons"]
    ]
    assert all(len(one) == 4 for one in stood)
    assert {one.count("A") for one in stood} >= {1, 2, 3}
    assert [score.evidence for score in scores(drawn, *"123456", task=TASK)] == [score.evidence for score in first]
    per_text = Counter((*answers_of(asked.body), asked.body["seed"]) for asked in larger.asked)
    assert set(per_text.values()) == {2}, "each question of each of the two runs is another one"


def test_comparisons_are_bounded_and_fair(larger: JudgeServer) -> None:
    scores(pairs(larger, opponents=4), *"0123456789ab", task=TASK)
    assert len(larger.asked) == 2 * 12 * 4 // 2
    met = Counter(text for asked in larger.asked for text in answers_of(asked.body))
    assert set(met.values()) == {8}


def test_all_may_be_compared_with_a_baseline(larger: JudgeServer) -> None:
    found = scores(pairs(larger, baseline="usual"), "1", "9", task=TASK)
    assert [score.value for score in found] == pytest.approx([0.3, 0.7])
    (comparison,) = found[0].evidence["comparisons"]
    mine, theirs = {"mark": 1.0, "reason": "because of A"}, {"mark": 5.0, "reason": "because of B"}
    assert comparison.pop("judgments") == [
        {"model": "tiny", "stood": "A", "mine": mine, "theirs": theirs},
        {
            "model": "tiny",
            "stood": "B",
            "mine": mine | {"reason": "because of B"},
            "theirs": theirs | {"reason": "because of A"},
        },
    ]
    assert comparison == {"with": "the baseline", "earned": 0.3, "difference": -4.0, "why": "1 to 5"}
    assert all("5" in answers_of(asked.body) for asked in larger.asked)


def test_a_task_without_the_baseline_is_no_score(larger: JudgeServer) -> None:
    (score,) = scores(pairs(larger, baseline="missing"), "1", task=TASK)
    assert score.outcome is Outcome.BAD_GROUND_TRUTH


def test_nobody_is_asked_where_there_is_nothing_to_compare(server: JudgeServer) -> None:
    assert [score.value for score in scores(pairs(server), "x", "x", "", task=TASK)] == [0.75, 0.75, 0.0]
    assert scores(pairs(server), "x", task=TASK)[0].value == 0.5
    assert not server.asked


def test_a_completion_that_makes_the_judge_refuse_loses_and_its_opponents_win(larger: JudgeServer) -> None:
    larger.about("poison", says(None, refusal="I cannot help with that."))
    found = scores(pairs(larger), "1", "poison", "9", task=TASK)
    assert found[1].value == 0.0
    assert "refusal" in found[1].reason
    assert found[0].value == pytest.approx((1 + 0.1) / 2)
    assert found[2].value == pytest.approx((1 + 0.9) / 2)


def test_a_judge_who_judges_nothing_is_no_score(server: JudgeServer) -> None:
    server.behave = lambda *_: says("no idea")
    found = scores(pairs(server), "x", "y", task=TASK)
    assert {score.outcome for score in found} == {Outcome.UNAVAILABLE}
    assert "not even of a harmless answer" in found[0].reason


def test_a_cost_is_told_once_for_the_group(server: JudgeServer) -> None:
    found = scores(pairs(server), "x", "y", "z", task=TASK)
    assert [score.evidence.get("requests") for score in found] == [6, None, None]


def test_it_keeps_the_contract_of_a_reward(larger: JudgeServer) -> None:
    check_reward(pairs(larger), right=[Rollout(TASK, "9")], wrong=[Rollout(TASK, "2")])
