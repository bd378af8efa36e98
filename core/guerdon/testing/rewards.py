"""The contract of a reward."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

from guerdon.judging import judge
from guerdon.mixture import Mixture
from guerdon.plugs import GroupReward, Reward, Verifier, opened
from guerdon.testing.describing import check_description, check_round_trip
from guerdon.totals import Term
from guerdon.types import Outcome, Rollout, Score, Task

HOSTILE = {
    "an empty completion": "",
    "white space": " \n\t ",
    "a megabyte of one letter": "a" * (1 << 20),
    "a megabyte of brackets": "(" * (1 << 20),
    "half a megabyte of backslashes": "\\" * (1 << 19),
    "NUL bytes": "\0right\0",
    "lone surrogates": "\ud800 right \udfff",
    "an unclosed <think>": "<think>right",
    "only a </think>": "</think>",
    "a hundred nested tags": "<think>" * 100 + "</think>" * 100,
    "terminal escapes and direction marks": "\x1b[2J\u202eright\u2066",
    "digits that are no ASCII": "٤٢ ४२ ４２ ²",
}
"""Completions that a model may well write. Each must end in a score."""


def check_reward(reward: Reward, right: Sequence[Rollout], wrong: Sequence[Rollout] = ()) -> None:
    """Check that a reward keeps its contract. Takes a second or two: worker processes are started.

    - It says what it is: a docstring, a name, and a docstring for each option; its options survive a run file.
    - Every rollout in `right` earns more than every one in `wrong`, and at least 1 if the reward offers `canonical`.
      A `GroupReward` is given all rollouts of one task together, as one group.
    - It says the same here, in a mixture with its real isolation, and when it is asked again.
    - The canonical completion of each task, if there is one, earns at least 1.
    - Hostile completions (a megabyte, NUL bytes, lone surrogates, unclosed tags) end in a score, not in an abstention.
    - Every score has a reason.
    """
    if not right:
        raise AssertionError("right=[] proves nothing: give at least one rollout that earns what it should")
    check_description(reward)
    check_round_trip(reward)
    rollouts = [*right, *wrong]
    here = asyncio.run(_score_here(reward, rollouts))
    with Mixture([Term("checked", reward)], workers=1) as mixture:
        there = _score_in(mixture, rollouts)
        again = _score_in(mixture, rollouts)
        _check_canonical(mixture, reward, [rollout.task for rollout in rollouts])
        hostile = {name: replace(right[0], completion=text, completion_ids=None) for name, text in HOSTILE.items()}
        scores = _score_in(mixture, list(hostile.values()))
    _check_same(rollouts, here, there, "in this process", "in a mixture")
    _check_same(rollouts, there, again, "the first time", "the second time")
    _check_scored(zip(map(_shown, rollouts), there, strict=True))
    _check_scored(zip(hostile, scores, strict=True))
    _check_order(reward, list(zip(rollouts, there, strict=True)), len(right))


async def _score_here(reward: Reward, rollouts: Sequence[Rollout]) -> list[Score]:
    async with opened(reward):
        scores: dict[int, Score] = {}
        for unit in _units(reward, rollouts):
            try:
                judged = await judge(reward, [rollouts[number] for number in unit])
            except Exception as error:
                raise AssertionError(
                    f"{type(reward).__name__} raised {type(error).__name__}: {error}, on {_shown(rollouts[unit[0]])}; "
                    "score what a completion can cause, raise BadGroundTruth for what the task has wrong"
                ) from error
            scores.update(zip(unit, judged, strict=True))
    return [scores[number] for number in range(len(rollouts))]


def _units(reward: Reward, rollouts: Sequence[Rollout]) -> list[list[int]]:
    """The numbers of the rollouts that are judged together."""
    if isinstance(reward, Verifier):
        return [[number] for number in range(len(rollouts))]
    if not isinstance(reward, GroupReward):
        return [list(range(len(rollouts)))]
    groups: dict[str, list[int]] = {}
    for number, rollout in enumerate(rollouts):
        groups.setdefault(rollout.task.id, []).append(number)
    return list(groups.values())


def _score_in(mixture: Mixture, rollouts: Sequence[Rollout]) -> list[Score]:
    totals = mixture.submit(rollouts, [rollout.task.id for rollout in rollouts]).result()
    return [total.terms["checked"].score for total in totals]


def _check_canonical(mixture: Mixture, reward: Reward, tasks: Sequence[Task]) -> None:
    if not _offers_canonical(reward):
        return
    term = mixture.terms[0]
    different = list({task.id: task for task in tasks}.values())
    verdicts = mixture.prove(term, [Rollout(task, "") for task in different]).result()
    for task, verdict in zip(different, verdicts, strict=True):
        if verdict.failure is not None:
            raise AssertionError(
                f"canonical(task '{task.id}') does not earn 1: {verdict.failure.what}; return a completion that does, "
                "or None where there is no such thing"
            )


def _offers_canonical(reward: Reward) -> bool:
    return type(reward).canonical is not Reward.canonical


def _check_same(
    rollouts: Sequence[Rollout], ones: Sequence[Score], others: Sequence[Score], where: str, elsewhere: str
) -> None:
    for rollout, one, other in zip(rollouts, ones, others, strict=True):
        if (one.value, one.outcome, one.reason) != (other.value, other.outcome, other.reason):
            raise AssertionError(
                f"{_shown(rollout)} gets {_said(one)} {where}, and {_said(other)} {elsewhere}; the same rollout must "
                "get the same score everywhere: seed what is random, and keep no state between rollouts"
            )


def _check_scored(scores: Iterable[tuple[str, Score]]) -> None:
    for shown, score in scores:
        if score.outcome is not Outcome.SCORED:
            raise AssertionError(
                f"{shown} gets no score ({score.outcome}: {score.reason}); whatever a completion can cause is a score: "
                "return 0 with a reason"
            )
        if not score.reason.strip():
            raise AssertionError(f"{shown} gets {score.value} without a reason; say why, for a person to read")


def _check_order(reward: Reward, judged: Sequence[tuple[Rollout, Score]], rights: int) -> None:
    least = min(judged[:rights], key=_value)
    if _offers_canonical(reward) and _value(least) < 1:
        raise AssertionError(f"{_shown(least[0])} is right, and gets {_said(least[1])}; canonical says that 1 is right")
    most = max(judged[rights:], key=_value, default=None)
    if most is not None and _value(most) >= _value(least):
        raise AssertionError(
            f"{_shown(most[0])} is wrong, and gets {_said(most[1])}; {_shown(least[0])} is right, and gets only "
            f"{_said(least[1])}"
        )


def _value(judged: tuple[Rollout, Score]) -> float:
    assert judged[1].value is not None
    return judged[1].value


def _said(score: Score) -> str:
    return f"{'no score' if score.value is None else score.value} ({score.reason})"


def _shown(rollout: Rollout) -> str:
    text = rollout.text
    return ascii(text if len(text) <= 60 else f"{text[:40]}…{text[-15:]}") + f" (task '{rollout.task.id}')"
