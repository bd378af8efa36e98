"""boxed-math as a reward."""

import asyncio
import subprocess
import sys

import pytest

from guerdon import BadGroundTruth, Mixture, Outcome, Rollout, Score, Task, Term
from guerdon.testing import check_reward
from guerdon_math import BoxedMath


def judged(gold: str | int | float, completion: str, prefill: str = "") -> Score:
    return BoxedMath().verify(Rollout(Task("1", "?", gold), completion, prefill=prefill))


def test_it_keeps_the_contract_of_rewards() -> None:
    task = Task("1", "What is a half?", r"\frac{1}{2}")
    right = [Rollout(task, text) for text in (r"\boxed{0.5}", r"Hm. <think>x</think> So $\boxed{\frac12}$.")]
    wrong = [Rollout(task, text) for text in (r"\boxed{2}", "0.5", r"\boxed{0.5} or \boxed{2}", r"<think>\boxed{0.5}")]
    check_reward(BoxedMath(), right=right, wrong=wrong)


def test_the_reason_says_what_was_compared_and_how() -> None:
    score = judged("7", r"I get \boxed{\frac{14}{2}}.")
    assert score.value == 1
    assert score.reason == r"\frac{14}{2} equals 7: equal as exact forms"
    assert score.evidence == {"extracted": r"\frac{14}{2}", "ground_truth": "7", "how": "equal as exact forms"}
    assert judged("7", r"\boxed{8}").reason == "8 is not 7: compared as decimals"


def test_the_reason_stays_short() -> None:
    score = judged("x" * 500, r"\boxed{" + "y\n" * 500 + "}")
    assert len(score.reason) < 300
    assert "\n" not in score.reason


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        ("", "no \\boxed{}"),
        ("42", "no \\boxed{}"),
        ("\\boxed{42", "never closed"),
        ("\\boxed{}", "empty"),
        ("<think>\\boxed{42}</think> It is 42.", "no \\boxed{}"),
        ("<think>\\boxed{42}", "no \\boxed{}"),
    ],
)
def test_no_answer_earns_nothing_and_says_why(completion: str, reason: str) -> None:
    score = judged("42", completion)
    assert score.value == 0
    assert reason in score.reason


def test_what_was_only_thought_does_not_count() -> None:
    assert judged("42", "\\boxed{42}</think> \\boxed{41}", prefill="<think>").value == 0
    assert judged("42", "\\boxed{41}</think> \\boxed{42}", prefill="<think>").value == 1


@pytest.mark.parametrize(
    ("gold", "box"),
    [
        (42, "42"),
        (0.5, "1/2"),
        (1e-07, r"10^{-7}"),
        ("$42$", "42"),
        (r"\boxed{42}", "42"),
        ("6 times 7 is 42.\n#### 42", "42"),
        (r"We multiply and get \boxed{42}.", "42"),
        (" 42\n", "42"),
        (r"\emptyset", r"\text{no solution}"),
    ],
)
def test_ground_truths_come_in_many_shapes(gold: str | int | float, box: str) -> None:
    assert judged(gold, rf"\boxed{{{box}}}").value == 1


@pytest.mark.parametrize(
    "gold", ["", "  ", "$$", "{", r"\frac{1}{2", "}", float("nan"), float("inf"), r"\boxed{}", "?!", "1" * 200_000]
)
def test_a_broken_ground_truth_is_nobodys_fault(gold: str | float) -> None:
    with pytest.raises(BadGroundTruth):
        judged(gold, r"\boxed{42}")


@pytest.mark.parametrize(
    "gold",
    [
        "42",
        r"\frac{1}{0}",
        "2^{2^{2^{2^{2^{2}}}}}",
        r"\text{Tuesday}",
        r"\{1,2\}",
        "x>3",
        r"\foo(",
        "90^",
        "(1,2",
        "(-∞, +∞)",
        ">",
    ],
)
def test_the_canonical_completion_earns_everything(gold: str) -> None:
    reward, task = BoxedMath(), Task("1", "?", gold)
    assert reward.verify(Rollout(task, reward.canonical(task))).value == 1


def test_in_a_mixture_wrong_answers_hostile_ones_and_broken_truths_are_told_apart() -> None:
    good, broken = Task("1", "?", "42"), Task("2", "?", "")
    giant = r"\boxed{10^{10^{10^{10}}}!}"
    rollouts = [Rollout(good, r"\boxed{42}"), Rollout(good, giant), Rollout(broken, r"\boxed{42}")]
    with Mixture([Term("math", BoxedMath())], workers=1) as mixture:
        totals = asyncio.run(mixture.score(rollouts))
    assert [total.value for total in totals] == [1, 0, None]
    assert totals[2].terms["math"].score.outcome is Outcome.BAD_GROUND_TRUTH


def test_importing_the_plugin_is_light() -> None:
    code = "import sys, guerdon_math; print([m for m in ('mpmath', 'sympy', 'guerdon_math.judge') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
