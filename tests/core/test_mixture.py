"""Many rewards, one number: weights, gates and routing."""

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import hostile
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon import (
    GuerdonError,
    Mixture,
    OptionError,
    Outcome,
    Reward,
    Rollout,
    Score,
    Task,
    Term,
    TermScore,
    Total,
    Verifier,
)
from guerdon.totals import NOT_APPLICABLE, total


class Says(Verifier):
    """The value that the task's metadata has under its key; none if that says so."""

    name: ClassVar[str] = "says"
    isolation: ClassVar[Any] = "inline"
    key: str = "a"

    def verify(self, rollout: Rollout) -> Score:
        value = rollout.task.metadata.get(self.key, 1.0)
        if value is None:
            return Score(None, "nobody can tell", Outcome.UNAVAILABLE)
        return Score(value, f"{self.key} is {value:g}")


def totals(terms: Sequence[Term], rollouts: Sequence[Rollout], **options: Any) -> list[Total]:
    with Mixture(terms, workers=2) as mixture:
        return mixture.submit(rollouts, **options).result(timeout=60)


def one(terms: Sequence[Term], domain: str | None = None, **values: float | None) -> Total:
    """The total of one rollout of a task with these values."""
    (found,) = totals(terms, [Rollout(Task("t", "p", domain=domain, metadata=values), "c")])
    return found


def term(name: str, **options: Any) -> Term:
    return Term(name, Says(key=name), **options)


def test_the_total_is_the_weighted_sum() -> None:
    found = one([term("a", weight=2), term("b", weight=-0.5), term("c")], a=0.5, b=1, c=0.25)
    assert found.value == pytest.approx(0.75)
    assert found.outcome is Outcome.SCORED
    assert found.reason == "2 × 0.5 a + -0.5 × 1 b + 1 × 0.25 c"


def test_a_shut_gate_pays_nothing() -> None:
    found = one([term("a", gate=True), term("b", weight=10)], a=0.999, b=1)
    assert (found.value, found.outcome) == (0.0, Outcome.SCORED)
    assert found.reason == "gate 'a' is shut: a is 0.999"


def test_a_shut_gate_pays_nothing_whatever_else_abstains() -> None:
    assert one([term("b"), term("a", gate=True), term("c", gate=True)], a=0, b=None, c=None).value == 0


def test_an_open_gate_adds_its_own_part() -> None:
    assert one([term("a", gate=True, weight=0.5), term("b")], a=1, b=0.25).value == 0.75
    assert one([term("a", gate=True, weight=0), term("b")], a=1, b=0.25).value == 0.25
    assert one([term("a", gate=True), term("b")], a=1.5, b=0).value == 1.5


def test_a_gate_that_abstains_leaves_no_total_even_with_weight_zero() -> None:
    found = one([term("a", gate=True, weight=0), term("b")], a=None, b=1)
    assert (found.value, found.outcome) == (None, Outcome.UNAVAILABLE)
    assert found.reason == "'a' has no score: nobody can tell"


def test_a_term_that_applies_and_abstains_leaves_no_total() -> None:
    found = one([term("a"), term("b", weight=0.01)], a=1, b=None)
    assert (found.value, found.outcome) == (None, Outcome.UNAVAILABLE)


def test_a_term_of_weight_zero_is_computed_and_never_makes_a_total_abstain() -> None:
    found = one([term("a"), term("b", weight=0)], a=1, b=0.5)
    assert found.value == 1
    assert found.terms["b"].score.value == 0.5
    assert one([term("a"), term("b", weight=0)], a=1, b=None).value == 1


def test_a_term_without_domains_applies_to_every_task_and_others_to_their_own() -> None:
    terms = [term("a"), term("b", domains=["math", "code"])]
    for domain, value in (("math", 2), ("code", 2), ("chat", 1), (None, 1), ("", 1)):
        found = one(terms, domain)
        assert found.value == value
        assert (found.terms["b"].score.outcome is Outcome.NOT_APPLICABLE) == (value == 1)


def test_no_applicable_weighted_term_no_total() -> None:
    for terms in ([term("a", domains=["math"])], [term("a", weight=0)], [term("a", gate=True, weight=0)]):
        found = one(terms, "chat")
        assert (found.value, found.outcome) == (None, Outcome.NOT_APPLICABLE)


def test_a_gate_guards_only_its_own_domains() -> None:
    terms = [term("a", gate=True, domains=["math"]), term("b")]
    assert one(terms, "math", a=0).value == 0
    assert one(terms, "chat", a=0).value == 1


def test_a_sum_that_is_not_finite_is_no_total() -> None:
    for values in ({"a": 1e308, "b": 1e308}, {"a": 1e308, "b": -1e308}):
        found = one([term("a", weight=1e10), term("b", weight=1e10)], **values)
        assert (found.value, found.outcome) == (None, Outcome.VERIFIER_ERROR)
        assert "not finite" in found.reason


def test_covers_says_which_tasks_can_get_a_total() -> None:
    mixture = Mixture([term("a", domains=["math"]), term("b", domains=["chat"], weight=0)])
    assert mixture.covers("math")
    assert not mixture.covers("chat")
    assert not mixture.covers(None)


def test_a_group_reward_without_groups_is_refused() -> None:
    with Mixture([Term("longest", hostile.Longest())]) as mixture:
        assert mixture.needs_groups
        with pytest.raises(GuerdonError, match=r"rewards: longest.*compares the rollouts of a group"):
            mixture.submit([Rollout(Task("t", "p"), "c")])
        with pytest.raises(GuerdonError, match="2 for 1 rollouts"):
            mixture.submit([Rollout(Task("t", "p"), "c")], ["a", "b"])


def test_two_terms_of_one_name_are_refused() -> None:
    with pytest.raises(GuerdonError, match="two terms have one name"):
        Mixture([term("a"), term("a")])


def test_a_group_reward_compares_only_within_its_group_however_the_rows_are_ordered() -> None:
    task = Task("t", "p", "fine")
    lengths = [1, 2, 4, 8, 3, 9]
    groups = ["x", "y", "x", "x", "y", "y"]
    found = totals([Term("it", hostile.LongestInline())], [Rollout(task, "a" * n) for n in lengths], groups=groups)
    assert [each.value for each in found] == [
        pytest.approx(n / (8 if g == "x" else 9)) for n, g in zip(lengths, groups, strict=True)
    ]


def test_a_group_reward_sees_only_the_rollouts_of_its_domains() -> None:
    here, there = Task("t", "p", "fine", "math"), Task("u", "p", "fine", "chat")
    rollouts = [Rollout(here, "a"), Rollout(there, "aaaa"), Rollout(here, "aa")]
    found = totals([Term("it", hostile.LongestInline(), domains=["math"])], rollouts, groups=["g"] * 3)
    assert [each.value for each in found] == [0.5, None, 1.0]


def test_nothing_to_score_is_no_mistake() -> None:
    assert totals([term("a"), Term("b", hostile.Echo())], []) == []


RESULTS = st.one_of(
    st.floats(-4, 4).map(lambda value: Score(value, "s")),
    st.sampled_from([0.0, 1.0]).map(lambda value: Score(value, "s")),
    st.sampled_from([Outcome.BAD_GROUND_TRUTH, Outcome.UNAVAILABLE, Outcome.VERIFIER_ERROR]).map(
        lambda outcome: Score(None, "n", outcome)
    ),
    st.just(None),
)
WEIGHTS = st.one_of(st.just(0.0), st.just(1.0), st.floats(-3, 3))


def expected(rows: Sequence[tuple[float, bool, Score | None]]) -> float | None:
    """The rules once more, as a person would write them down. A row is weight, gate, score; None does not apply."""
    rows = [row for row in rows if row[2] is not None]
    if any(gate and score.value is not None and score.value < 1 for _, gate, score in rows if score):
        return 0.0
    if any(score.value is None and (gate or weight) for weight, gate, score in rows if score):
        return None
    counted = [weight * score.value for weight, _, score in rows if score and weight and score.value is not None]
    return math.fsum(counted) if counted else None


@given(st.lists(st.tuples(WEIGHTS, st.booleans(), RESULTS), max_size=6))
def test_the_total_is_what_the_rules_say(rows: list[tuple[float, bool, Score | None]]) -> None:
    terms = [Term(f"t{i}", Says(), weight, gate) for i, (weight, gate, _) in enumerate(rows)]
    scores: Mapping[str, TermScore] = {
        f"t{i}": NOT_APPLICABLE if score is None else TermScore(score) for i, (_, _, score) in enumerate(rows)
    }
    found, wanted = total(terms, scores), expected(rows)
    assert (found.value is None) == (wanted is None)
    assert (found.outcome is Outcome.SCORED) == (wanted is not None)
    assert wanted is None or found.value == pytest.approx(wanted, abs=1e-9)
    assert found.reason
    # No order of the terms changes it.
    back = total(terms[::-1], scores)
    assert (back.value is None) == (wanted is None)
    assert wanted is None or back.value == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_no_split_and_no_order_of_a_batch_changes_a_total(seed: int) -> None:
    rng = random.Random(seed)
    tasks = [Task(f"t{i}", "p", "fine", rng.choice([None, "math", "chat"]), metadata={"a": i % 3}) for i in range(12)]
    words = ["right", "wrong", "raise", "short", "none", "aaaa"]
    rows = [(f"g{t}", Rollout(task, rng.choice(words))) for t, task in enumerate(tasks) for _ in range(4)]
    rewards: dict[str, Reward] = {"a": Says(), "w": hostile.HostileWithCanonical(), "i": hostile.HostileInline()}
    terms = [Term(name, reward, rng.choice([0, 1, 0.5])) for name, reward in rewards.items()]
    terms += [
        Term("g", hostile.LongestInline(), domains=["math"]),
        Term("m", hostile.HostileInline(), gate=True, domains=["chat"]),
    ]

    def values(mixture: Mixture, order: Sequence[int], cuts: Sequence[int]) -> dict[int, tuple[float | None, str]]:
        found = {}
        for start, stop in zip([0, *cuts], [*cuts, len(order)], strict=True):
            part = order[start:stop]
            scored = mixture.submit([rows[i][1] for i in part], [rows[i][0] for i in part]).result(timeout=60)
            found |= {i: (each.value, each.reason) for i, each in zip(part, scored, strict=True)}
        return found

    with Mixture(terms, workers=2) as mixture:
        whole = values(mixture, range(len(rows)), [])
        by_group = values(mixture, range(len(rows)), range(4, len(rows), 4))
        shuffled = list(range(len(rows)))
        rng.shuffle(shuffled)
        mixed = values(mixture, shuffled, [])
    assert whole == by_group
    assert {i: value for i, (value, _) in whole.items()} == {i: value for i, (value, _) in mixed.items()}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weight": float("nan")}, r"rewards\.x\.weight: is a finite number"),
        ({"weight": 10**400}, r"rewards\.x\.weight: is a finite number"),
        ({"weight": "2"}, r"rewards\.x\.weight: is a number, got '2'"),
        ({"domains": "math"}, r"rewards\.x\.domains: is a list of names, got 'math'"),
        ({"gate": 1}, r"rewards\.x\.gate: is true or false"),
        ({"reward": Says}, r"rewards\.x: .* is no reward"),
        ({"reward": "boxed-math"}, r"rewards\.x: 'boxed-math' is no reward"),
    ],
)
def test_a_term_that_makes_no_sense_is_refused_when_it_is_made(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Term("x", **{"reward": Says(key="x"), **options})


def test_what_is_no_rollout_is_refused_when_it_is_handed_in() -> None:
    with Mixture([term("a")]) as mixture:
        for wrong in ["a string"], [Rollout(Task("t", "p"), None)]:  # type: ignore[arg-type]
            with pytest.raises(GuerdonError, match="rollouts: number 0 is no Rollout"):
                mixture.submit(wrong)  # type: ignore[arg-type]


class Counts(Verifier):
    """How often it was asked by now."""

    name: ClassVar[str] = "counts"
    isolation: ClassVar[Any] = "inline"
    _asked: int = 0

    def verify(self, rollout: Rollout) -> float:
        object.__setattr__(self, "_asked", self._asked + 1)
        return float(self._asked)


def test_equal_rollouts_are_judged_once_and_others_are_not_taken_for_equal() -> None:
    task, other = Task("t", "p"), Task("u", "p")
    rollouts = [
        Rollout(task, "a"),
        Rollout(task, "a", completion_ids=[1]),
        Rollout(task, "b"),
        Rollout(task, "a"),
        Rollout(other, "a"),
        Rollout(task, "a", completion_ids=[2]),
        Rollout(task, "a", truncated=True),
        Rollout(task, "a", prefill="<think>"),
        Rollout(task, "a", completion_ids=[1], logprobs=[-1.0]),
    ]
    assert [found.value for found in totals([Term("n", Counts())], rollouts)] == [1, 2, 3, 1, 4, 5, 6, 7, 2]
