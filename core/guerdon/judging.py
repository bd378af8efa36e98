"""One judging in this process: call the reward, and make scores of whatever it returns."""

import inspect
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from numbers import Real
from typing import Any

from pydantic import TypeAdapter, ValidationError

from guerdon.errors import BadGroundTruth, Unavailable
from guerdon.plugs import GroupReward, Reward, Verifier
from guerdon.types import CLOSE, Outcome, Rollout, Score, Task, prompt_opens_thinking
from guerdon.wire import Unit, shortened

OWN_TRUTH, EMPTY = "the task's own truth", "an empty completion"
"""What a control was, as its score's evidence says under `control`."""
LARGEST_EVIDENCE = 1 << 20
"""Characters of JSON. A completion must not be able to choke the run with what is said of it."""


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


def judge_now(reward: Reward, rollouts: Sequence[Rollout]) -> list[Score]:
    """`judge` for a reward that is written without `async`."""
    return _scores(reward, _call(reward, rollouts), len(rollouts))


async def judge_unit(reward: Reward, unit: Unit) -> list[Score]:
    """The scores of a unit. A control raises BadGroundTruth when the task's own truth does not earn full marks."""
    if not unit.control:
        return await judge(reward, unit.rollouts)
    controls = [_control(reward, rollout.task) for rollout in unit.rollouts]
    return _proved(controls, await judge(reward, [rollout for rollout, _ in controls]))


def judge_unit_now(reward: Reward, unit: Unit) -> list[Score]:
    """`judge_unit` for a reward that is written without `async`; no loop runs, so it may use one of its own."""
    if not unit.control:
        return judge_now(reward, unit.rollouts)
    controls = [_control(reward, rollout.task) for rollout in unit.rollouts]
    return _proved(controls, judge_now(reward, [rollout for rollout, _ in controls]))


def _control(reward: Reward, task: Task) -> tuple[Rollout, bool]:
    if reward.ground_truth_type is not Any:
        _check_ground_truth(reward, task.ground_truth)  # `canonical` may rely on the type as `verify` does
    canonical = None if isinstance(reward, GroupReward) else reward.canonical(task)
    completion = canonical or ""
    if prompt_opens_thinking(task.prompt) and CLOSE not in completion:
        completion = CLOSE + completion  # or all of it would be thinking
    return Rollout(task, completion), canonical is not None


def _proved(controls: Sequence[tuple[Rollout, bool]], scores: list[Score]) -> list[Score]:
    proved = []
    for score, (_, canonical) in zip(scores, controls, strict=True):
        if score.value is None:
            raise Unavailable(score.reason)
        if canonical and score.value < 1:
            raise BadGroundTruth(f"the task's own truth earns {score.value:g}: {score.reason}")
        proved.append(replace(score, evidence={"control": OWN_TRUTH if canonical else EMPTY}))
    return proved


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
    if isinstance(returned, str | bytes) or not isinstance(returned, Sequence):
        raise InvalidScore(f"returned a {type(returned).__name__}, not a list of scores")
    scores = [_score(reward, one) for one in returned]
    if len(scores) != expected:
        raise InvalidScore(f"returned {len(scores)} scores for {expected} rollouts")
    return scores


def _score(reward: Reward, returned: Any) -> Score:
    """A score of plain values, whatever the reward made of them: the same here and from a worker."""
    try:
        if isinstance(returned, Score):
            value = None if returned.value is None else float(returned.value)
            reason, outcome, evidence = returned.reason, Outcome(returned.outcome), returned.evidence
        elif isinstance(returned, Real):
            value, outcome, evidence = float(returned), Outcome.SCORED, {}
            reason = f"{reward.name} returned {value:g}"
        else:
            raise InvalidScore(f"returned a {type(returned).__name__}, not a Score or a number")
        if not isinstance(reason, str):
            raise InvalidScore(f"gave a {type(reason).__name__} as its reason, not text")
        score = Score(value, shortened(reason), outcome, _evidence(evidence) if evidence else {})
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidScore(f"returned what is no score: {error}") from error
    if score.outcome is Outcome.BAD_GROUND_TRUTH:
        raise BadGroundTruth(score.reason)
    if score.outcome not in (Outcome.SCORED, Outcome.UNAVAILABLE):
        raise InvalidScore(f"returned the outcome {score.outcome}, which is not a reward's to say")
    return score


def _evidence(evidence: Mapping[str, Any]) -> Mapping[str, Any]:
    text = json.dumps(dict(evidence), ensure_ascii=False)
    if len(text) > LARGEST_EVIDENCE:
        return {"left_out": f"{len(text)} characters of evidence"}
    plain: Mapping[str, Any] = json.loads(text)
    return plain


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def _check_ground_truth(reward: Reward, ground_truth: Any) -> None:
    try:
        _adapter(reward.ground_truth_type).validate_python(ground_truth, strict=True)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        if ground_truth is None:
            raise BadGroundTruth(
                "the task has no ground truth; if a column holds it, --map ground_truth=COLUMN"
            ) from None
        path = ".".join(["ground_truth", *map(str, detail["loc"])])
        raise BadGroundTruth(f"{path}: {detail['msg']}, got {_short(detail['input'])}") from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
