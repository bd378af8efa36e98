"""What the completions of a task agree on, where answers are equal that a verifier holds equal."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from guerdon.jsonvalues import parse
from guerdon.mixture import Mixture
from guerdon.plugs import GroupReward
from guerdon.totals import Term, Total
from guerdon.types import Outcome, Rollout

EXTRACTED = "extracted"
"""The key of a score's evidence under which a verifier says what it took for the answer."""
_CUT = "…"


@dataclass
class Ballot:
    """The completions of one task that have an answer, gathered by it."""

    voters: dict[str, list[int]]
    """The answers in the order of their first completion, each with the numbers of all that gave it."""
    camps: list[list[int]] = field(default_factory=list)
    """Completions whose answers are equal, as far as that has been found out."""

    def majority(self) -> list[int]:
        """The largest camp; of several the one that was there first; none where nobody answered."""
        return max(self.camps, key=lambda camp: (len(camp), -camp[0]), default=[])


async def vote(
    mixture: Mixture,
    terms: Sequence[Term],
    groups: Sequence[Sequence[Rollout]],
    answers: Sequence[Sequence[str | None]],
) -> list[list[int]]:
    """For each task, which of its completions have the answer that most of them have; none where nobody answered.

    `answers` are what `answer_of` says, None for a completion that has no vote. Two answers are equal if each of
    `terms` that applies gives one completion full marks where the other's answer is the ground truth. Equal words need
    no judging, and of answers that nobody can judge only equal words agree. Of camps of one size the one whose first
    completion came first has it. `mixture` must be open.
    """
    ballots = [Ballot(_voters(of_task)) for of_task in answers]
    while any(ballot.voters for ballot in ballots):
        # One answer of every task at a time, so that all tasks are judged together.
        asked: list[tuple[Ballot, str, Rollout, str]] = []
        for ballot, rollouts in zip(ballots, groups, strict=True):
            if ballot.voters:
                truth = next(iter(ballot.voters))
                ballot.camps.append(ballot.voters.pop(truth))
                asked += [(ballot, other, rollouts[voters[0]], truth) for other, voters in ballot.voters.items()]
        equal = await _equal(mixture, terms, [(rollout, truth) for _, _, rollout, truth in asked])
        for (ballot, other, _, _), agrees in zip(asked, equal, strict=True):
            if agrees:
                ballot.camps[-1] += ballot.voters.pop(other)
    return [sorted(ballot.majority()) for ballot in ballots]


def answer_of(rollout: Rollout, total: Total, terms: Sequence[Term], extracting: frozenset[str]) -> str | None:
    """What a completion answers; None for no answer.

    It is what the first of the terms in `extracting` took for it, else the part after the thinking. A term that says
    what it takes for an answer, and says nothing here, found none.
    """
    answer = rollout.answer.strip()
    for term in terms:
        score = total.terms[term.name].score
        if term.name in extracting and score.outcome is not Outcome.NOT_APPLICABLE:
            extracted = score.evidence.get(EXTRACTED)
            # What was cut short for a reader cannot stand for the answer.
            return answer if isinstance(extracted, str) and extracted.endswith(_CUT) else _text(extracted)
    return answer or None


def extracting_terms(terms: Sequence[Term], totals: Sequence[Total]) -> frozenset[str]:
    """Those terms that say what they take for the answer."""
    return frozenset(
        term.name for term in terms if any(EXTRACTED in total.terms[term.name].score.evidence for total in totals)
    )


def _text(extracted: Any) -> str | None:
    return None if extracted is None else str(extracted).strip() or None


def _voters(answers: Sequence[str | None]) -> dict[str, list[int]]:
    voters: dict[str, list[int]] = {}
    for number, answer in enumerate(answers):
        if answer is not None:
            voters.setdefault(answer, []).append(number)
    return voters


async def _equal(mixture: Mixture, terms: Sequence[Term], pairs: Sequence[tuple[Rollout, str]]) -> list[bool]:
    """For each completion whether it is right if this answer is the truth."""
    judges = [term for term in terms if not isinstance(term.reward, GroupReward)]
    applicable = [[term for term in judges if term.applies(rollout.task.domain)] for rollout, _ in pairs]
    equal = [bool(judging) for judging in applicable]
    for term in judges:
        numbers, asked = [], []
        for number, (rollout, answer) in enumerate(pairs):
            truth = _as_truth(answer, term.reward.ground_truth_type)
            if term not in applicable[number] or truth is None:
                equal[number] = equal[number] and term not in applicable[number]
            elif equal[number]:
                numbers.append(number)
                asked.append(replace(rollout, task=replace(rollout.task, ground_truth=truth)))
        verdicts = await asyncio.wrap_future(mixture.ask(term, asked)) if asked else []
        for number, verdict in zip(numbers, verdicts, strict=True):
            value = verdict.scores[0].value if verdict.scores else None
            equal[number] = value is not None and value >= 1
    return equal


def _as_truth(answer: str, annotation: Any) -> Any:
    """An answer as a ground truth of this type: its text, or the JSON value that this is; None where neither fits."""
    if _fits(answer, annotation):
        return answer
    try:
        value = parse(answer)
    except ValueError:
        return None
    return value if _fits(value, annotation) else None


def _fits(value: Any, annotation: Any) -> bool:
    try:
        _adapter(annotation).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)
