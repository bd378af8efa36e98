"""From tasks to comparisons: completions are sampled, and a group reward says which of two is better and by how much.

What was sampled is kept before anything is judged, and what was judged as it comes, so that an interruption costs no
completion that a judge has seen.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from guerdon.columns import rollout_of
from guerdon.errors import GuerdonError, PluginError
from guerdon.ledger import rollout_row
from guerdon.mixture import Mixture
from guerdon.plugs import LiveModel, Sampler, Sampling
from guerdon.preference import MARGIN, Pair
from guerdon.totals import Term
from guerdon.types import Rollout, Score, Task

COMPARISONS = "comparisons"
"""The key of a score's evidence under which a group reward says how it compared a completion with others of its group.

A list of objects: `with` is the number of the other in the group, `difference` by how much higher this one's mean mark
is, and `judgments` what was said, with `failure` in those that came to no mark; empty where nobody had to be asked.
"""
AT_ONCE = 256
"""Completions that a sampler is asked for in one call."""
IN_A_ROW = 20
"""Tasks without a score, one after the other, after which the judge counts as gone."""


@dataclass
class Known:
    """What is there of each task, by its number."""

    sampled: dict[int, list[Rollout]] = field(default_factory=dict)
    compared: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    def take(self, row: Mapping[str, Any], where: str) -> None:
        """Take up a row that was kept. Raises DataError."""
        if "rollouts" in row:
            self.sampled[row["task"]] = [rollout_of(one, where)[0] for one in row["rollouts"]]
        else:
            self.compared[row["task"]] = row


@dataclass(frozen=True)
class Pairs:
    """The pairs that differ enough, and how many others there were, by why they are none.

    `unscored` is what was said of the first task that came to no score.
    """

    clear: Sequence[Pair]
    dropped: Mapping[str, int]
    unscored: str | None


async def compare(
    tasks: Sequence[Task],
    mixture: Mixture,
    term: Term,
    sampler: Sampler,
    model: LiveModel | Path,
    *,
    group_size: int,
    sampling: Sampling,
    known: Known,
    keep: Callable[[Mapping[str, Any]], None],
    done: Callable[[int], None] = lambda _: None,
) -> None:
    """Sample `group_size` completions of each task and have them compared by `term`, but for what is `known` already.

    `keep` is handed every row that a later `Known.take` is to get: not those that came to no score, which are asked
    about again. `done` hears of each task that is compared.
    `mixture` and `sampler` must be open. Raises GuerdonError, also where the judge is gone.
    """
    unscored = 0

    async def compared(number: int) -> None:
        nonlocal unscored
        rollouts = known.sampled[number]
        totals = await mixture.score(rollouts, [str(number)] * len(rollouts))
        row = {"task": number, **_comparisons(term, [total.terms[term.name].score for total in totals])}
        known.take(row, "")
        if row["reason"] is None:
            keep(row)
            unscored = 0
        else:
            unscored += 1
            if unscored == min(IN_A_ROW, len(tasks)):
                what = f"has no score for {unscored} tasks in a row: {row['reason']}"
                way_out = "all else is kept: mend that, and go on with --resume"
                raise GuerdonError(f"reward '{term.name}'", what, way_out)
        done(1)

    size = max(1, AT_ONCE // group_size)
    judging: list[asyncio.Task[None]] = []
    try:
        for start in range(0, len(tasks), size):
            numbers = range(start, min(start + size, len(tasks)))
            if any(number not in known.sampled for number in numbers):
                seed = int.from_bytes(hashlib.sha256(f"prefer {sampling.seed} {start}".encode()).digest()[:4]) >> 1
                chunk = [tasks[number] for number in numbers]
                groups = await sampler.sample(model, chunk, group_size, replace(sampling, seed=seed))
                if [len(group) for group in groups] != [group_size] * len(chunk):
                    what = f"did not give {group_size} completions of each of {len(chunk)} tasks"
                    raise PluginError(f"sampler '{sampler.name}'", what, "mend the plugin that brings it")
                for number, group in zip(numbers, groups, strict=True):
                    if number not in known.sampled:
                        known.sampled[number] = list(group)
                        keep({"task": number, "rollouts": [rollout_row(rollout) for rollout in group]})
            judging += [asyncio.create_task(compared(one)) for one in numbers if one not in known.compared]
            for one in judging:
                if one.done():
                    one.result()
        await asyncio.gather(*judging)
    finally:
        for one in judging:
            one.cancel()


def pairs_of(known: Known, shown: Callable[[Rollout], str]) -> Pairs:
    """The pairs of all that was compared, in the order of the tasks. `shown` is what the judge saw of a completion."""
    clear: list[Pair] = []
    dropped: dict[str, int] = {}
    unscored = None
    for number in sorted(known.compared):
        row, rollouts = known.compared[number], known.sampled[number]
        reasons = []
        if row["reason"]:
            reasons.append("the task came to no score")
            unscored = unscored or f"'{rollouts[0].task.id}': {row['reason']}"
        for one in row["pairs"]:
            reason = _why_not(one)
            if reason is None:
                places = (one["first"], one["second"]) if one["difference"] > 0 else (one["second"], one["first"])
                judgments = one["judgments"] if one["difference"] > 0 else [_turned(said) for said in one["judgments"]]
                chosen, rejected = (rollouts[place] for place in places)
                clear.append(Pair(chosen.task, shown(chosen), shown(rejected), abs(one["difference"]), judgments))
            else:
                reasons.append(reason)
        for reason in reasons:
            dropped[reason] = dropped.get(reason, 0) + 1
    return Pairs(clear, dropped, unscored)


def _comparisons(term: Term, scores: Sequence[Score]) -> dict[str, Any]:
    found = []
    for number, score in enumerate(scores):
        if score.value is None:
            return {"pairs": [], "reason": f"{score.outcome}: {score.reason}"}
        shares = score.evidence.get(COMPARISONS)
        if shares is None or not all(isinstance(share["with"], int) for share in shares):
            what = "does not say how it compared completions of a group with each other"
            raise PluginError(f"reward '{term.name}'", what, "use `judge-pairs`, without a `baseline`")
        found += [
            {"first": number, "second": share["with"]} | {name: share[name] for name in ("difference", "judgments")}
            for share in shares
            if share["with"] > number
        ]
    return {"pairs": found, "reason": None}


def _why_not(one: Mapping[str, Any]) -> str | None:
    if not one["judgments"]:
        return "the two are equal, or one is empty"
    if any("failure" in said for said in one["judgments"]):
        return "the judge gave no verdict on one of them"
    return None if abs(one["difference"]) > MARGIN else f"the marks differ by {MARGIN:g} or less"


def _turned(said: Mapping[str, Any]) -> dict[str, Any]:
    stood = {"A": "B", "B": "A"}.get(said["stood"], said["stood"])
    return {**said, "stood": stood, "mine": said["theirs"], "theirs": said["mine"]}
