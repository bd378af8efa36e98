"""Nobody pays for the load of the machine, or for a control that said nothing."""

import os
from dataclasses import replace

import pytest
from considerate import AsyncResident, AwayForControls, CanonicalForSome, Clocked

from guerdon import GuerdonError, Mixture, Outcome, Rollout, Task, Term

TASK = Task("t", "a prompt", "fine")


def test_however_many_rewards_there_are_no_more_judgings_run_at_once_than_there_are_workers():
    with Mixture([Term("one", Clocked()), Term("two", Clocked()), Term("three", Clocked())], workers=2) as mixture:
        totals = mixture.submit([Rollout(replace(TASK), "x") for _ in range(6)]).result()
    spans = [term.score.evidence for total in totals for term in total.terms.values()]
    assert len(spans) == 18
    for span in spans:
        at_once = [one for one in spans if one["began"] <= span["began"] < one["ended"]]
        assert len(at_once) <= 2


def test_a_control_that_is_unavailable_does_not_make_the_completion_guilty():
    with Mixture([Term("it", AwayForControls())]) as mixture:
        [total] = mixture.submit([Rollout(TASK, "x")]).result()
        [proof] = mixture.prove(mixture.terms[0], [Rollout(TASK, "")]).result()
    assert total.outcome is Outcome.UNAVAILABLE
    assert "the endpoint is away" in total.reason
    assert proof.failure is not None


def test_the_reason_names_the_control_that_was_really_judged():
    with Mixture([Term("it", CanonicalForSome())]) as mixture:
        tasks = [TASK, Task("none", "a prompt", 5)]
        totals = mixture.submit([Rollout(task, "bad") for task in tasks]).result()
    reasons = [total.terms["it"].score.reason for total in totals]
    assert reasons[0].endswith("the task's own truth is judged well")
    assert reasons[1].endswith("an empty completion is judged well")


def test_a_resident_verifier_written_with_async_lives_in_its_worker():
    with Mixture([Term("it", AsyncResident())]) as mixture:
        totals = mixture.submit([Rollout(replace(TASK), "x") for _ in range(3)]).result()
    pids = {total.terms["it"].score.evidence["pid"] for total in totals}
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_proving_with_a_mixture_that_is_not_open_says_so():
    mixture = Mixture([Term("it", Clocked())])
    with pytest.raises(GuerdonError, match="is not open"):
        mixture.prove(mixture.terms[0], [Rollout(TASK, "")])
