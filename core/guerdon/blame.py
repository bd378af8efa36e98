"""Who is to blame when a judging fails: the completion, the task, the verifier, or the world.

A judging that fails is repeated alone in a fresh worker. If it fails again, a control is judged there: a completion
that must earn full marks where the verifier offers one, else the empty completion, which must earn any score at all.
The control passes: the completion did it, and earns 0. The control fails too: the task or the verifier is broken, and
there is no score.
"""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Protocol

from guerdon import wire
from guerdon.plugs import GroupReward, Reward
from guerdon.types import Outcome, Score
from guerdon.wire import Failure, Unit, Verdict


class Fresh(Protocol):
    """A place where nothing else is being judged."""

    async def judge(self, unit: Unit) -> Verdict: ...


class Place(Protocol):
    """Where the judgings of one reward happen."""

    async def judge(self, units: Sequence[Unit]) -> list[Verdict]: ...

    def fresh(self) -> AbstractAsyncContextManager[Fresh]: ...


async def settle(reward: Reward, unit: Unit, verdict: Verdict, place: Place) -> Verdict:
    """Scores for a unit whose judging failed. `failure` is kept where the verifier turned out to be broken."""
    assert verdict.failure is not None
    async with place.fresh() as fresh:
        if verdict.failure.cause not in (wire.UNAVAILABLE, wire.BAD_GROUND_TRUTH):
            again = await fresh.judge(unit)
            verdict = replace(again, queued_seconds=verdict.queued_seconds)
        if verdict.failure is None:
            return verdict
        if verdict.failure.cause == wire.UNAVAILABLE:
            return _abstain(unit, verdict, verdict.failure)
        if isinstance(reward, GroupReward):
            return await _settle_group(unit, verdict, fresh)
        if len(unit.rollouts) > 1:
            return await _settle_one_by_one(unit, verdict, fresh)
        return await _settle_one(unit, verdict, fresh)


async def _settle_one(unit: Unit, verdict: Verdict, fresh: Fresh) -> Verdict:
    assert verdict.failure is not None
    if verdict.failure.cause == wire.UNAVAILABLE:
        return _abstain(unit, verdict, verdict.failure)
    control = await fresh.judge(Unit(unit.rollouts, control=True))
    if control.failure is None:
        assert control.scores is not None
        return replace(verdict, scores=[_at_fault(verdict.failure, control.scores[0])], failure=None)
    return _abstain(unit, verdict, control.failure)


async def _settle_one_by_one(unit: Unit, verdict: Verdict, fresh: Fresh) -> Verdict:
    """A batch failed: its rollouts have nothing to do with each other, so each is judged by itself."""
    scores: list[Score] = []
    broken: Failure | None = None
    for rollout in unit.rollouts:
        single = Unit([rollout])
        one = await fresh.judge(single)
        if one.failure is not None:
            one = await _settle_one(single, one, fresh)
        assert one.scores is not None
        broken = broken or one.failure
        scores += one.scores
    return replace(verdict, scores=scores, failure=broken)


async def _settle_group(unit: Unit, verdict: Verdict, fresh: Fresh) -> Verdict:
    """All start empty and are filled in one by one: whoever makes the group fail earns 0 and stays empty."""
    assert verdict.failure is not None
    group = [replace(rollout, completion="", completion_ids=None, logprobs=None) for rollout in unit.rollouts]
    control = await fresh.judge(Unit(group, control=True))
    if control.scores is None:
        assert control.failure is not None
        return _abstain(unit, verdict, control.failure)
    scores, guilty = control.scores, {}
    for number, rollout in enumerate(unit.rollouts):
        more = [*group[:number], rollout, *group[number + 1 :]]
        judged = await fresh.judge(Unit(more))
        if judged.scores is not None:
            group, scores = more, judged.scores
        elif judged.failure is not None and judged.failure.cause == wire.UNAVAILABLE:
            return _abstain(unit, verdict, judged.failure)
        elif judged.failure is not None:
            guilty[number] = judged.failure
    scores = [
        Score(0.0, f"with this completion the reward {_why(guilty[number])}; without it the group is judged well")
        if number in guilty
        else score
        for number, score in enumerate(scores)
    ]
    return replace(verdict, scores=scores, failure=None)


def _at_fault(failure: Failure, control: Score) -> Score:
    return Score(
        0.0,
        f"on this completion the verifier {_why(failure)}, twice; {control.evidence['control']} is judged well",
        evidence={"failure": failure.cause},
    )


def _abstain(unit: Unit, verdict: Verdict, failure: Failure) -> Verdict:
    if failure.cause == wire.BAD_GROUND_TRUTH:
        score = Score(None, failure.what, Outcome.BAD_GROUND_TRUTH)
        return replace(verdict, scores=[score for _ in unit.rollouts], failure=None)
    if failure.cause == wire.UNAVAILABLE:
        score = Score(None, failure.what, Outcome.UNAVAILABLE)
        return replace(verdict, scores=[score for _ in unit.rollouts], failure=None)
    score = Score(None, f"the verifier {_why(failure)}, on a control too", Outcome.VERIFIER_ERROR)
    return replace(verdict, scores=[score for _ in unit.rollouts], failure=failure)


def _why(failure: Failure) -> str:
    return f"raised {failure.what}" if failure.cause == wire.RAISED else failure.what
