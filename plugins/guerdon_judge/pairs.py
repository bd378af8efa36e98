"""The reward `judge-pairs`: models say which of two answers is better, and a completion earns what it wins."""

import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, ClassVar, Literal

from pydantic import Field

from guerdon import BadGroundTruth, GroupReward, Rollout, Score
from guerdon_judge.judging import Verdict
from guerdon_judge.options import AsksJudges
from guerdon_judge.question import Question, prompt_text
from guerdon_judge.untrusted import forgery_in
from guerdon_judge.verdict import Mark
from guerdon_judge.voting import spent_on, voted

PAIR = """You are a strict and fair judge of answers. You are given a task and two answers, A and B. Say how well each \
serves whoever asked: first whether it is right, then whether it is helpful, relevant and clear. The order in which \
they stand, their length, style and confidence count for nothing."""
WANTED = {"A": "how good the answer in part A is", "B": "how good the answer in part B is"}
_OTHER = {"A": "B", "B": "A"}
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
    judgments: Sequence[tuple[str, "_Seen"]] = ()
    """What was said, each with the model that said so; nothing where nobody had to be asked."""


class JudgePairs(AsksJudges, GroupReward):
    """Asks large models which of two completions is better; pays the mean over a completion's comparisons, 0 to 1.

    Each completion of a group is compared with a baseline answer of the task, or with some others of the group. Both
    get marks, and each pair is asked in both orders. With `times = 2` there are four judgments, of which the mean
    counts, as DeepSeek-R1 asked DeepSeek-V3 for its preference data (arXiv 2501.12948v2, section 3.1, helpful reward
    model); its places were drawn at random (`places = "drawn"`), and are exchanged here. Every judgment is in the
    evidence, and `guerdon prefer` makes preference pairs of them.

    What is no verdict is told apart and blamed as by `judge`; a completion that causes it loses.
    """

    name: ClassVar[str] = "judge-pairs"

    baseline: str | None = None
    """The key of a task's metadata that holds the answer to compare with. If you do not say, completions of a group are
    compared with each other."""
    places: Literal["exchanged", "drawn"] = "exchanged"
    """Where the two stand when they are asked about: each as often first as the other, so that a judge who likes the
    first moves nothing; or drawn at random for each of the 2 × `times` questions, the same for the same texts."""
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
            for place, me, other in ((0, one.first, one.second), (1, one.second, one.first)):
                share = {
                    "with": "the baseline" if other == BASELINE else other,
                    "earned": one.earned[place],
                    "difference": one.difference if place == 0 else -one.difference,
                    "why": one.why,
                    "judgments": [{"model": model, **seen.told(place)} for model, seen in one.judgments],
                }
                shares[me].append(share)
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
        rounds: list[tuple[Question, int]] = []
        exchanged: list[bool] = []
        for one, other in pairs:
            asked: Counter[bool] = Counter()
            for turned in self._turned(task, texts[one], texts[other]):
                answers = {"A": texts[other], "B": texts[one]} if turned else {"A": texts[one], "B": texts[other]}
                question = Question(self.told(PAIR), WANTED, self.highest, {"task": task}, answers)
                rounds.append((question, asked[turned]))
                asked[turned] += 1
                exchanged.append(turned)
        by_judge = await self.ask(rounds) if rounds else []
        size = 2 * self.times
        found = []
        for number, pair in enumerate(pairs):
            mine = slice(number * size, (number + 1) * size)
            of_judges = [
                [_seen_from_the_first(*one) for one in zip(verdicts[mine], exchanged[mine], strict=True)]
                for verdicts in by_judge
            ]
            found.append(self._comparison(pair, of_judges, [one for each in by_judge for one in each[mine]]))
        return found

    def _turned(self, *texts: str) -> list[bool]:
        """For each time that a pair is asked about, whether its second stands first."""
        if self.places == "exchanged":
            return [False] * self.times + [True] * self.times
        chance = random.Random(json.dumps(texts))
        return [chance.random() < 0.5 for _ in range(2 * self.times)]

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
        judgments = [(judge.model, seen) for judge, one in zip(self.judges, by_judge, strict=True) for seen in one]
        return Comparison(first, second, (earned[0], earned[1]), difference, why, spent_on(verdicts), judgments)

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
    stood: str
    """Where the first of the pair stood."""
    marks: tuple[Mark, Mark] | None = None

    def told(self, place: int) -> dict[str, Any]:
        """As evidence, for the first of the pair (0) or the second (1)."""
        stood = self.stood if place == 0 else _OTHER[self.stood]
        if self.marks is None:
            return {"stood": stood, "failure": self.why}
        mine, theirs = self.marks if place == 0 else self.marks[::-1]
        return {"stood": stood, "mine": asdict(mine), "theirs": asdict(theirs)}

    def earned(self, place: int, highest: int) -> float:
        if self.guilty:
            return float("AB"[place] not in self.guilty)
        return 0.5 + (self.difference if place == 0 else -self.difference) / (2 * highest)


def _seen_from_the_first(verdict: Verdict, exchanged: bool) -> _Seen:
    stood = "B" if exchanged else "A"
    if verdict.failure is not None:
        guilty = [_OTHER[part] if exchanged else part for part in verdict.guilty]
        return _Seen(0.0, guilty, f"no verdict ({verdict.failure}), while harmless answers are judged well", stood)
    one, other = verdict.marks[stood], verdict.marks[_OTHER[stood]]
    return _Seen(one.mark - other.mark, (), f"{one.mark:g} to {other.mark:g}", stood, (one, other))


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
