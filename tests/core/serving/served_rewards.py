"""A plugin for the tests of serving: it is put on a path with an entry point of its own."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from guerdon import GroupReward, Rollout, Score, Unavailable, Verifier, hookimpl


@hookimpl
def register_rewards(register: Any) -> None:
    for reward in (Wait, Length, Rank, Broken, Odd, Down):
        register(reward)


class Wait(Verifier):
    """Waits for as many seconds as the completion says."""

    name: ClassVar[str] = "wait"

    async def verify(self, rollout: Rollout) -> float:
        await asyncio.sleep(float(rollout.completion))
        return float(rollout.completion)


class Length(Verifier):
    """How long the completion is, in characters; and what else it was told."""

    name: ClassVar[str] = "length"
    isolation: ClassVar[Any] = "inline"

    def verify(self, rollout: Rollout) -> Score:
        told = {"task": vars(rollout.task), "truncated": rollout.truncated, "prefill": rollout.prefill}
        numbers = {name: getattr(rollout, name) for name in ("prompt_ids", "completion_ids", "logprobs")}
        return Score(float(len(rollout.completion)), ascii(rollout.completion[:200]), evidence=told | numbers)


class Rank(GroupReward):
    """How many of its group a completion is longer than."""

    name: ClassVar[str] = "rank"

    def score_group(self, group: Sequence[Rollout]) -> Sequence[Score]:
        sizes = [len(rollout.completion) for rollout in group]
        return [Score(float(sum(other < size for other in sizes)), f"of {len(sizes)}") for size in sizes]


class Broken(Verifier):
    """Has a bug."""

    name: ClassVar[str] = "broken"

    def verify(self, rollout: Rollout) -> float:
        raise AttributeError("no such thing as a score")


class Odd(Verifier):
    """Evidence that makes trouble on its way."""

    name: ClassVar[str] = "odd"
    isolation: ClassVar[Any] = "inline"

    def verify(self, rollout: Rollout) -> Score:
        return Score(0.1 + 0.2, "half a pair: \ud83d", evidence={"not a number": float("nan")})


class Down(Verifier):
    """Asks somebody who is not there."""

    name: ClassVar[str] = "down"

    async def verify(self, rollout: Rollout) -> float:
        raise Unavailable("nobody is there")
