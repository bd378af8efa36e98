"""The reward `judge-pairs`: models say which of two answers is better, and a completion earns what it wins."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, ClassVar

from pydantic import Field

from guerdon import BadGroundTruth, GroupReward, Rollout, Score
from guerdon_judge.judging import Verdict
from guerdon_judge.options import AsksJudges
from guerdon_judge.question import Question, prompt_text
from guerdon_judge.untrusted import forgery_in
from guerdon_judge.voting import spent_on, voted

PAIR = """You are a strict and fair judge of answers. You are given a task and two answers, A and B. Say how well each \
serves whoever asked: first whether it is right, then whether it is helpful, relevant and clear. The order in which \
they stand, their length, style and confidence count for nothing."""
WANTED = {"A": "how good the answer in part A is", "B": "how good the answer in part B is"}
BASELINE = -1
"""The number of the answer that all others are compared with."""


@dataclass(frozen=True)
class Comparison:
    """What two answers earn against each other, 0 to 1 each, and how far their marks lie apart."""

    first: int
    second: int
    earned: tuple[float, float]
    difference: float
    why: str
    spent: Mapping[str, Any]


class JudgePairs(AsksJudges, GroupReward):
    """Asks large models which of two completions is better; pays the mean over a completion's comparisons, 0 to 1.

    Each completion of a group is compared with a baseline answer of the task, or with some others of the group. Both
    get marks, and each pair is asked in both orders. With `times = 2` there are four judgments, of which the mean
    counts, as DeepSeek-R1 asked DeepSeek-V3 for its preference data (arXiv 2501.12948v2, section 3.1, helpful reward
    model); its places were drawn at random, and are exchanged here.

    What is no verdict is told apart and blamed as by `judge`; a completion that causes it loses.
    """

    name: ClassVar[str] = "judge-pairs"

    baseline: str | None = None
    """The key of a task's metadata that holds the answer to compare with. If you do not say, completions of a group are
    compared with each other."""
    opponents: int = Field(4, ge=2, multiple_of=2)
    """How many others of its group a completion is compared with at most. In a smaller group all are."""

    async def score_group(self, group: Sequence[Rollout]) -> list[Score]:
        """What each wins on average. Raises Unavailable, and BadGroundTruth for a missing baseline."""
        texts = {number: self.shown(rollout) for number, rollout in enumerate(group)}
        if self.baseline is not None:
            texts[BASELINE] = self._baseline(group)
        pairs = list(self._pairs(len(group)))
        asked = [pair for pair in pairs if _differ(texts, pair)]
        task = prompt_text(group[0].task)
        compared = {
            pair: Comparison(*pair, _unasked(texts, pair), 0.0, "nobody had to be asked", spent_on([]))
            for pair in pairs
        }
        for pair, found in zip(asked, await self._compare(task, texts, asked), strict=True):
            compared[pair] = found
        shares: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for one in compared.values():
            for me, other, earned, sign in (
                (one.first, one.second, one.earned[0], 1),
                (one.second, one.first, one.earned[1], -1),
            ):
                against = "the baseline" if other == BASELINE else other
                difference = sign * one.difference
                shares[me].append({"with": against, "earned": earned, "difference": difference, "why": one.why})
        spent = _sum([one.spent for one in compared.values()])
        return [self._score(texts[number], shares[number], spent, number == 0) for number in range(len(group))]

    def _baseline(self, group: Sequence[Rollout]) -> str:
        assert self.baseline is not None
        text = group[0].task.metadata.get(self.baseline)
        if not isinstance(text, str) or not text.strip():
            raise BadGroundTruth(f"metadata.{self.baseline} holds no text to compare with")
        return text

    def _pairs(self, size: int) -> Iterator[tuple[int, int]]:
        """Each meets as many of those before it as of those after it, in a circle."""
        if self.baseline is not None:
            yield from ((number, BASELINE) for number in range(size))
            return
        seen = set()
        for distance in range(1, self.opponents // 2 + 1):
            for number in range(size):
                other = (number + distance) % size
                pair = (min(number, other), max(number, other))
                if number != other and pair not in seen:
                    seen.add(pair)
                    yield pair

    async def _compare(self, task: str, texts: Mapping[int, str], pairs: Sequence[tuple[int, int]]) -> list[Comparison]:
        def question(one: int, other: int) -> Question:
            answers = {"A": texts[one], "B": texts[other]}
            return Question(self.told(PAIR), WANTED, self.highest, {"task": task}, answers)

        both = [question(*order) for one, other in pairs for order in ((one, other), (other, one))]
        by_judge = await self.ask(*both) if both else []
        found = []
        for number, pair in enumerate(pairs):
            start, middle, end = (2 * number * self.times, (2 * number + 1) * self.times, (2 * number + 2) * self.times)
            of_judges = [
                [_seen_from_the_first(verdict, False) for verdict in verdicts[start:middle]]
                + [_seen_from_the_first(verdict, True) for verdict in verdicts[middle:end]]
                for verdicts in by_judge
            ]
            found.append(self._comparison(pair, of_judges, [one for each in by_judge for one in each[start:end]]))
        return found

    def _comparison(
        self, pair: tuple[int, int], by_judge: Sequence[Sequence["_Seen"]], verdicts: Sequence[Verdict]
    ) -> Comparison:
        first, second = pair
        if second == BASELINE and (broken := next((s for one in by_judge for s in one if "B" in s.guilty), None)):
            raise BadGroundTruth(f"the judge gives no verdict on metadata.{self.baseline}: {broken.why}")
        earned = tuple(
            voted(self.vote, [fmean(seen.earned(place, self.highest) for seen in one) for one in by_judge])
            for place in (0, 1)
        )
        difference = fmean(seen.difference for one in by_judge for seen in one)
        why = next((seen.why for one in by_judge for seen in one if seen.guilty), by_judge[0][0].why)
        return Comparison(first, second, (earned[0], earned[1]), difference, why, spent_on(verdicts))

    def _score(self, text: str, shares: Sequence[Mapping[str, Any]], spent: Mapping[str, Any], pays: bool) -> Score:
        # the group's cost is told once, so that sums over rollouts are right
        evidence: dict[str, Any] = {"comparisons": list(shares), **(spent if pays else {})}
        if forgery := forgery_in(text):
            evidence["cheat"] = forgery
        if not text.strip():
            return Score(0.0, f"there is no {self.scope} to judge", evidence=evidence)
        if not shares:
            return Score(0.5, "there is nothing to compare it with", evidence=evidence)
        value = fmean(share["earned"] for share in shares)
        said = "; ".join(f"{share['earned']:.2g} against {share['with']}: {share['why']}" for share in shares)
        return Score(value, f"{value:.3g} over {len(shares)} comparisons: {said}", evidence=evidence)


@dataclass(frozen=True)
class _Seen:
    """A verdict, with `A` for the first of the pair and `B` for the second, wherever they stood."""

    difference: float
    guilty: Sequence[str]
    why: str

    def earned(self, place: int, highest: int) -> float:
        if self.guilty:
            return float("AB"[place] not in self.guilty)
        return 0.5 + (self.difference if place == 0 else -self.difference) / (2 * highest)


def _seen_from_the_first(verdict: Verdict, exchanged: bool) -> _Seen:
    if verdict.failure is not None:
        guilty = [{"A": "B", "B": "A"}[part] if exchanged else part for part in verdict.guilty]
        return _Seen(0.0, guilty, f"no verdict ({verdict.failure}), while harmless answers are judged well")
    one, other = (verdict.marks[name] for name in ("BA" if exchanged else "AB"))
    return _Seen(one.mark - other.mark, (), f"{one.mark:g} to {other.mark:g}")


def _differ(texts: Mapping[int, str], pair: tuple[int, int]) -> bool:
    one, other = (texts[number].strip() for number in pair)
    return bool(one and other) and one != other


def _unasked(texts: Mapping[int, str], pair: tuple[int, int]) -> tuple[float, float]:
    """Equal ones share, and an empty one loses."""
    one, other = (texts[number].strip() for number in pair)
    if one == other:
        return (0.5, 0.5) if one else (0.0, 0.0)
    return float(bool(one)), float(bool(other))


def _sum(spent: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: sum(one[name] for one in spent) for name in spent_on([])}
