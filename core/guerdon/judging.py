"""One judging in this process: call the reward, and make scores of whatever it returns."""

import inspect
from collections.abc import Sequence
from functools import cache
from numbers import Real
from typing import Any

from pydantic import TypeAdapter, ValidationError

from guerdon.errors import BadGroundTruth
from guerdon.plugs import GroupReward, Reward, Verifier
from guerdon.types import CLOSE, Outcome, Rollout, Score, Task, prompt_opens_thinking
from guerdon.wire import Unit

LONGEST_REASON = 2000
"""Characters. A reason is for people; what is longer belongs into the evidence."""


class InvalidScore(Exception):
    """A reward returned something that is no score."""


async def judge(reward: Reward, rollouts: Sequence[Rollout]) -> list[Score]:
    """The scores of one judging: one rollout for a verifier, one group for a group reward, else a batch.

    Raises whatever the reward raises, BadGroundTruth for a ground truth of the wrong type, and InvalidScore.
    """
    returned = _call(reward, rollouts)
    if inspect.isawaitable(returned):
        returned = await returned
    return _scores(reward, returned, len(rollouts))


async def judge_unit(reward: Reward, unit: Unit) -> list[Score]:
    """The scores of a unit. A control raises BadGroundTruth when the task's own truth does not earn full marks."""
    if not unit.control:
        return await judge(reward, unit.rollouts)
    controls = [_control(reward, rollout.task) for rollout in unit.rollouts]
    scores = await judge(reward, [rollout for rollout, _ in controls])
    for score, (_, canonical) in zip(scores, controls, strict=True):
        if canonical and score.value is not None and score.value < 1:
            raise BadGroundTruth(f"the task's own truth earns {score.value:g}: {score.reason}")
    return scores


def _control(reward: Reward, task: Task) -> tuple[Rollout, bool]:
    canonical = None if isinstance(reward, GroupReward) else reward.canonical(task)
    completion = canonical or ""
    if prompt_opens_thinking(task.prompt) and CLOSE not in completion:
        completion = CLOSE + completion  # or all of it would be thinking
    return Rollout(task, completion), canonical is not None


def judge_now(reward: Reward, rollouts: Sequence[Rollout]) -> list[Score]:
    """`judge` for a reward that is written without `async`."""
    return _scores(reward, _call(reward, rollouts), len(rollouts))


def _call(reward: Reward, rollouts: Sequence[Rollout]) -> Any:
    if reward.ground_truth_type is not Any:
        for rollout in rollouts:
            _check_ground_truth(reward, rollout.task.ground_truth)
    if isinstance(reward, Verifier):
        return reward.verify(rollouts[0])
    if isinstance(reward, GroupReward):
        return reward.score_group(rollouts)
    return reward.score(rollouts)


def _scores(reward: Reward, returned: Any, expected: int) -> list[Score]:
    if isinstance(reward, Verifier):
        return [_score(reward, returned)]
    if not isinstance(returned, Sequence) or len(returned) != expected:
        count = len(returned) if isinstance(returned, Sequence) else repr(type(returned).__name__)
        raise InvalidScore(f"returned {count} scores for {expected} rollouts")
    return [_score(reward, one) for one in returned]


def _score(reward: Reward, returned: Any) -> Score:
    if isinstance(returned, Score):
        score = returned
    elif isinstance(returned, Real):
        try:
            score = Score(float(returned), f"{reward.name} returned {returned}")
        except ValueError as error:
            raise InvalidScore(str(error)) from None
    else:
        raise InvalidScore(f"returned a {type(returned).__name__}, not a Score or a number")
    if score.outcome is Outcome.BAD_GROUND_TRUTH:
        raise BadGroundTruth(score.reason)
    if score.outcome not in (Outcome.SCORED, Outcome.UNAVAILABLE):
        raise InvalidScore(f"returned the outcome {score.outcome}, which is not a reward's to say")
    if len(score.reason) > LONGEST_REASON:
        score = Score(score.value, score.reason[:LONGEST_REASON] + " …", score.outcome, score.evidence)
    return score


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def _check_ground_truth(reward: Reward, ground_truth: Any) -> None:
    try:
        _adapter(reward.ground_truth_type).validate_python(ground_truth, strict=True)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        path = ".".join(["ground_truth", *map(str, detail["loc"])])
        raise BadGroundTruth(f"{path}: {detail['msg']}, got {_short(detail['input'])}") from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
