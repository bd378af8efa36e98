"""Whatever a completion can cause is a score; only what it cannot cause is an abstention."""

from collections.abc import Sequence
from typing import Any

import hostile
import pytest

from guerdon import (
    Mixture,
    Outcome,
    Reward,
    RewardBroken,
    Rollout,
    Score,
    Task,
    Term,
    TermScore,
)


def score(reward: Reward, completions: Sequence[str], ground_truth: Any = "fine") -> list[TermScore]:
    """What a reward gives these completions of one task; equal ones are judged each by itself."""
    rollouts = [Rollout(Task("t", "a prompt", ground_truth), one) for one in completions]
    with Mixture([Term("it", reward)], workers=2) as mixture:
        totals = mixture.submit(rollouts, ["g"] * len(completions)).result(timeout=60)
    return [total.terms["it"] for total in totals]


def check_zero(given: TermScore, *words: str) -> None:
    assert (given.score.value, given.score.outcome) == (0.0, Outcome.SCORED), given.score
    assert all(word in given.score.reason for word in words), given.score.reason
    assert len(given.score.reason) < 3000


def check_no_score(given: TermScore, outcome: Outcome, *words: str) -> None:
    assert (given.score.value, given.score.outcome) == (None, outcome), given.score
    assert all(word in given.score.reason for word in words), given.score.reason


FATAL = {
    "hang": "used up its CPU time",
    "sleep": "used up its wall-clock time",
    "segfault": "SIGSEGV",
    "killed": "SIGKILL",
    "exit": "SystemExit: 3",
    "os-exit": "exit code 0",
    "memory": "used up its memory",
    "memory-slowly": "used up its memory",
    "close-all": "ended its worker",
    "interrupt": "KeyboardInterrupt",
    "generator-exit": "GeneratorExit",
}
RAISED = {
    "raise": "ValueError: I cannot take this",
    "raise-long": "ValueError: xxx",
    "raise-mute": "Mute: (it cannot say what)",
    "raise-surrogate": "ValueError: \ud800\x00",
    "deep": "RecursionError",
    "nan": "nan",
    "inf": "-inf",
    "huge": "too large",
    "complex": "returned a complex",
    "none": "returned a NoneType",
    "text": "returned a str",
    "liar": "scored, honestly",
    "forged-nan": "nan",
    "forged-reason": "gave a list as its reason",
    "forged-outcome": "the outcome scored",
    "not-applicable": "not a reward's to say",
    "no-json": "not JSON serializable",
    "bad-truth": "confuses",
}
BESIDE = ["right", "wrong"]


@pytest.mark.parametrize("reward", [hostile.Hostile(), hostile.HostileWithCanonical()], ids=lambda one: one.name)
def test_a_completion_that_breaks_its_verifier_earns_zero_and_its_neighbours_what_they_are_worth(
    reward: Reward,
) -> None:
    words = {**FATAL, **RAISED}
    completions = [one for word in words for one in (word, *BESIDE)]
    given = score(reward, completions)
    for number, (word, said) in enumerate(words.items()):
        broke, right, wrong = given[3 * number : 3 * number + 3]
        try:
            check_zero(broke, said.replace("the outcome scored", ""))
        except AssertionError as error:
            raise AssertionError(word) from error
        assert (right.score.value, wrong.score.value) == (1.0, 0.0), word


@pytest.mark.parametrize("word", [*RAISED, "exit", "interrupt", "generator-exit"])
def test_a_completion_that_raises_inline_earns_zero(word: str) -> None:
    broke, right, wrong = score(hostile.HostileInline(), [word, *BESIDE])
    check_zero(broke)
    assert (right.score.value, wrong.score.value) == (1.0, 0.0)


def test_an_inline_verifier_that_raises_what_ends_loops_does_not_end_the_run() -> None:
    given = score(hostile.HostileInline(), ["interrupt", "exit", "generator-exit", "right"])
    assert [one.score.value for one in given] == [0, 0, 0, 1]


ASYNC = ["sleep", "cancel", "stubborn", "raise", "exit", "interrupt", "generator-exit", "none", "nan", "liar", "deep"]


def test_a_completion_that_breaks_an_async_verifier_earns_zero() -> None:
    given = score(hostile.HostileAsync(), [one for word in ASYNC for one in (word, "right")])
    for word, broke, right in zip(ASYNC, given[::2], given[1::2], strict=True):
        assert broke.score.value == 0, (word, broke)
        assert right.score.value == 1, word
    assert "wall-clock" in given[0].score.reason
    assert given[0].seconds == pytest.approx(0.3, abs=0.2)


def test_a_long_reason_is_cut_and_long_evidence_left_out() -> None:
    for reward in hostile.Hostile(), hostile.HostileInline():
        reason, evidence = score(reward, ["long-reason", "long-evidence"])
        assert reason.score.value == evidence.score.value == 1
        assert len(reason.score.reason) < 3000
        assert len(str(evidence.score.evidence)) < 3000


def test_evidence_that_the_run_itself_could_not_read_does_not_stop_it() -> None:
    deep, right = score(hostile.Hostile(), ["deep-json", "right"])
    assert deep.score.value in (0.0, 1.0)
    assert right.score.value == 1


def test_a_broken_gold_answer_gets_no_score_whatever_the_completion_does() -> None:
    for reward in hostile.Hostile(), hostile.HostileWithCanonical(), hostile.HostileInline(), hostile.HostileAsync():
        for given in score(reward, ["right", "wrong", "raise"], "broken"):
            check_no_score(given, Outcome.VERIFIER_ERROR, "KeyError", "on a control too")


def test_a_gold_answer_that_the_verifier_cannot_understand_is_bad_ground_truth() -> None:
    for given in score(hostile.Hostile(), ["right", "hang", "raise"], "senseless"):
        check_no_score(given, Outcome.BAD_GROUND_TRUTH, "no sense can be made")


def test_a_task_without_a_ground_truth_says_so() -> None:
    for given in score(hostile.Hostile(), ["right", "raise"], None):
        check_no_score(given, Outcome.BAD_GROUND_TRUTH, "the task has no ground truth", "--map ground_truth=COLUMN")


@pytest.mark.parametrize("truth", [7, ["right"], {"a": 1}, True])
def test_a_gold_answer_of_the_wrong_type_is_bad_ground_truth(truth: Any) -> None:
    for reward in hostile.Hostile(), hostile.HostileInline(), hostile.HostileAsync():
        for given in score(reward, ["right", "raise"], truth):
            check_no_score(given, Outcome.BAD_GROUND_TRUTH, "ground_truth", "valid string")


def test_a_truth_that_does_not_earn_full_marks_itself_is_bad_ground_truth_when_a_judging_fails() -> None:
    (given,) = score(hostile.HostileWithCanonical(), ["raise"], "wrong")
    check_no_score(given, Outcome.BAD_GROUND_TRUTH, "the task's own truth earns 0")


def test_without_a_canonical_completion_the_empty_one_needs_only_some_score() -> None:
    (given,) = score(hostile.Hostile(), ["raise"], "wrong")
    check_zero(given, "an empty completion is judged well")


def test_a_verifier_with_a_bug_gets_no_score_and_pays_nobody() -> None:
    for reward in hostile.Buggy(), hostile.BuggyInline():
        for given in score(reward, ["right", "wrong", ""]):
            check_no_score(given, Outcome.VERIFIER_ERROR, "KeyError")


def test_an_absent_world_is_unavailable() -> None:
    for reward in hostile.Hostile(), hostile.HostileInline(), hostile.HostileAsync():
        away, right = score(reward, ["unavailable", "right"])
        check_no_score(away, Outcome.UNAVAILABLE, "the engine is away")
        assert right.score.value == 1


def test_what_a_completion_leaves_behind_does_not_make_its_control_fail() -> None:
    poison, *others = score(hostile.Poisoned(), ["poison", *["right"] * 20])
    check_zero(poison, "poisoned")
    assert {one.score.value for one in others} == {1.0}


def test_a_verifier_with_a_loop_of_its_own_passes_its_control() -> None:
    raised, fine = score(hostile.OwnLoop(), ["raise", "fine"])
    check_zero(raised, "I cannot take this")
    assert fine.score.value == 1


@pytest.mark.parametrize("reward", [hostile.Longest(), hostile.LongestInline()], ids=lambda one: one.name)
@pytest.mark.parametrize("word", ["raise", "exit", "deep", "short"])
def test_who_makes_a_group_fail_earns_zero_and_its_peers_are_not_punished(reward: Reward, word: str) -> None:
    given = score(reward, ["aaaa", word, "aaaaaaaa", ""])
    check_zero(given[1], "without it the group is judged well")
    assert [given[i].score.value for i in (0, 2, 3)] == [0.5, 1.0, 0.0]


def test_who_hangs_or_kills_a_group_earns_zero_and_its_peers_are_not_punished() -> None:
    given = score(hostile.Longest(), ["hang", "aaaa", "killed", "aaaaaaaa", "memory"])
    assert [one.score.value for one in given] == [0, 0.5, 0, 1, 0]


def test_when_only_two_together_break_a_group_no_third_pays() -> None:
    given = score(hostile.LongestInline(), ["aaaa", "half", "aaaaaaaa", "half"])
    assert [one.score.value for one in given] == [0.5, 0.5, 1.0, 0.0]


def test_a_group_with_a_broken_truth_gets_no_score() -> None:
    for given in score(hostile.Longest(), ["a", "raise", "aa"], "broken"):
        check_no_score(given, Outcome.VERIFIER_ERROR, "KeyError")


def test_a_group_is_unavailable_as_a_whole() -> None:
    for given in score(hostile.Longest(), ["a", "unavailable", "aa"]):
        check_no_score(given, Outcome.UNAVAILABLE, "the engine is away")


def test_a_wrong_number_of_scores_is_the_verifiers_fault() -> None:
    for given in score(hostile.LyingGroup(), ["a", "b"]):
        check_no_score(given, Outcome.VERIFIER_ERROR, "1 scores for 2 rollouts")


def test_a_resident_reward_judges_batches_and_finds_the_one_that_breaks_them() -> None:
    given = score(hostile.Resident(), ["fine"] * 70)
    assert {one.score.reason for one in given} == {"64 at once", "6 at once"}
    assert len({one.score.evidence["pid"] for one in given}) == 1
    given = score(hostile.Resident(), ["fine", "raise", "killed", "fine", "sleep"])
    assert [one.score.value for one in given] == [1, 0, 0, 1, 0]


def test_one_of_a_batch_for_whom_the_world_is_away_gets_no_score() -> None:
    fine, away = score(hostile.Resident(), ["fine", "unavailable-once"])
    assert fine.score.value == 1
    check_no_score(away, Outcome.UNAVAILABLE, "for this one")


def test_a_reward_that_fails_on_most_tasks_stops_the_run_with_its_traceback() -> None:
    rollouts = [Rollout(Task(f"t{i}", "p", "x"), "c") for i in range(30)]
    for reward in hostile.Buggy(), hostile.BuggyInline():
        with Mixture([Term("it", reward)]) as mixture:
            with pytest.raises(RewardBroken) as stopped:
                mixture.submit(rollouts).result(timeout=60)
            assert "reward 'it': failed on 11 of the last 11 tasks" in str(stopped.value)
            assert 'float({}["no such key"])' in str(stopped.value)
            assert "KeyError: 'no such key'" in str(stopped.value)


@pytest.mark.parametrize("truths", [["broken", "fine"] * 30, ["broken"] * 10 + ["fine"] * 20 + ["broken"] * 10])
def test_a_reward_that_fails_on_half_of_the_last_tasks_is_not_broken(truths: Sequence[str]) -> None:
    rollouts = [Rollout(Task(f"t{i}", "p", truth), "right") for i, truth in enumerate(truths)]
    with Mixture([Term("it", hostile.HostileInline())]) as mixture:
        totals = mixture.submit(rollouts).result(timeout=60)
        assert [total.value for total in totals] == [None if truth == "broken" else 1 for truth in truths]
        with pytest.raises(RewardBroken, match="11 of the last 20 tasks"):
            mixture.submit([Rollout(Task(f"more{i}", "p", "broken"), "right") for i in range(20)]).result(timeout=60)


def test_one_broken_task_with_many_rollouts_stops_nothing() -> None:
    given = score(hostile.HostileInline(), ["right"] * 64, "broken")
    assert {one.score.outcome for one in given} == {Outcome.VERIFIER_ERROR}
    assert {one.score.outcome for one in score(hostile.Buggy(), ["right"] * 64)} == {Outcome.VERIFIER_ERROR}


def test_bad_truths_and_absent_worlds_do_not_make_a_reward_broken() -> None:
    rollouts = [Rollout(Task(f"t{i}", "p", "senseless" if i % 2 else "fine"), "unavailable") for i in range(100)]
    with Mixture([Term("it", hostile.HostileInline())]) as mixture:
        outcomes = [total.outcome for total in mixture.submit(rollouts).result(timeout=60)]
    assert outcomes == [Outcome.UNAVAILABLE, Outcome.BAD_GROUND_TRUTH] * 50


def test_a_bad_completion_never_stops_the_run_however_often_it_comes() -> None:
    rollouts = [Rollout(Task(f"t{i}", "p", "fine"), "raise") for i in range(1000)]
    with Mixture([Term("it", hostile.HostileInline())]) as mixture:
        assert {total.value for total in mixture.submit(rollouts).result(timeout=60)} == {0.0}


@pytest.mark.slow
def test_a_bad_completion_never_stops_the_run_in_workers_either() -> None:
    rollouts = [Rollout(Task(f"t{i}", "p", "fine"), "killed" if i % 2 else "raise") for i in range(300)]
    with Mixture([Term("it", hostile.HostileWithCanonical())]) as mixture:
        assert {total.value for total in mixture.submit(rollouts).result(timeout=60)} == {0.0}


def test_a_score_is_a_finite_number_or_none_with_another_outcome() -> None:
    for value, outcome in ((None, Outcome.SCORED), (1.0, Outcome.UNAVAILABLE), (float("nan"), Outcome.SCORED)):
        with pytest.raises(ValueError, match="score"):
            Score(value, "r", outcome)


def test_isolated_and_inline_give_the_same_score() -> None:
    for word in "right", "wrong", "long-reason", "raise", "none":
        (here,), (there,) = (score(one, [word]) for one in (hostile.HostileInline(), hostile.HostileWithCanonical()))
        assert here.score.value == there.score.value
        assert here.score.reason.replace("-inline", "") == there.score.reason.replace("-canonical", "")
