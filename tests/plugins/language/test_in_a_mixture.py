"""The reward where it runs: in worker processes, behind the mixture."""

from guerdon import Mixture, Outcome, Rollout, Task, Term
from guerdon_language import LanguageConsistency


def test_workers_say_what_this_process_says() -> None:
    reward = LanguageConsistency()
    thinking = [
        "We add them and we are done.",
        "把两个方程相加。",
        "Kuva ukuthi isamba samakhona.",
        "",
        "\ud800\0",
    ]
    rollouts = [Rollout(Task(str(i), "?", language="en"), f"<think>{text}</think>4") for i, text in enumerate(thinking)]
    with Mixture([Term("one-language", reward)], workers=1) as mixture:
        totals = mixture.submit(rollouts).result()
    assert [total.terms["one-language"].score for total in totals] == [reward.verify(rollout) for rollout in rollouts]
    assert [total.value for total in totals] == [1, 0, 0, 0, 0]


def test_a_task_in_an_unknown_language_gets_no_score_and_says_why() -> None:
    rollout = Rollout(Task("1", "?", language="klingon"), "<think>nuqneH</think>4")
    with Mixture([Term("one-language", LanguageConsistency())], workers=1) as mixture:
        [total] = mixture.submit([rollout]).result()
    assert total.outcome is Outcome.BAD_GROUND_TRUTH
    assert "'klingon' is no language" in total.reason
