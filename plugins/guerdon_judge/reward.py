"""The reward `judge`: a model gives marks to one completion, against the ground truth or by a rubric."""

import json
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from guerdon import BadGroundTruth, Rollout, Score, Task, Verifier
from guerdon_judge.judging import Verdict
from guerdon_judge.options import AsksJudges, Criterion
from guerdon_judge.question import Question, prompt_text
from guerdon_judge.untrusted import forgery_in
from guerdon_judge.voting import spent_on, told, voted

GRADE = """You are a strict and fair examiner. You are given a task, the reference, which is right, and an answer. Say \
how far the answer agrees with the reference. Judge what it comes to: another form of the same result is the same, and \
length, style and confidence count for nothing. Do not solve the task anew, and do not doubt the reference."""
RUBRIC = """You are a strict and fair examiner. You are given a task and an answer. Mark the answer by the criteria \
below, each by itself. Length, style and confidence count only where a criterion asks for them."""
AGREEMENT = "how far the answer agrees with the reference"


class Judge(AsksJudges, Verifier):
    """Asks large models behind OpenAI-compatible endpoints what a completion is worth; pays 0 to 1.

    In the mode `grade` they compare it with the ground truth, as DeepSeek-R1 had DeepSeek-V3 do for the rejection
    sampling of its reasoning data (arXiv 2501.12948v1, section 2.3.3). In the mode `rubric` they mark it by your
    criteria.

    A judge that cannot be reached is no score (`unavailable`). After a refusal, a reply that is no verdict or is too
    long, or a mark out of range, it is asked again, and then about a harmless answer: if that is judged, the completion
    did it, and earns 0; if not, the judge is `unavailable` too. What completions say is never taken for a
    verdict: see docs/how-to/judge-with-a-model.md.
    """

    name: ClassVar[str] = "judge"

    mode: Literal["grade", "rubric"] = "grade"
    """What is judged: agreement with the ground truth, or `criteria`."""
    criteria: tuple[Criterion, ...] = ()
    """What the rubric looks at, each a table with `name`, `what` and `weight`. The ground truth is shown too if there
    is one."""

    @model_validator(mode="after")
    def _has_what_its_mode_needs(self) -> Self:
        names = [criterion.name for criterion in self.criteria]
        if (self.mode == "rubric") != bool(names):
            what = "criteria: `rubric` needs at least one, and `grade` takes none"
        elif len(set(names)) < len(names):
            what = "criteria: two have one name"
        else:
            return self
        raise PydanticCustomError("judge", "{what}", {"what": what})

    def canonical(self, task: Task) -> str | None:
        """In the mode `grade`, a truth that is text is an answer that agrees with it."""
        truth = task.ground_truth
        return truth if self.mode == "grade" and isinstance(truth, str) and truth.strip() else None

    async def verify(self, rollout: Rollout) -> Score:
        """What the judges come to. Raises Unavailable, and BadGroundTruth for none to grade by."""
        question = self._question(rollout)
        if not question.answers["answer"].strip():
            return Score(0.0, f"there is no {self.scope} to judge")
        by_judge = await self.ask([(question, number) for number in range(self.times)])
        values = [fmean(self._value(verdict) for verdict in verdicts) for verdicts in by_judge]
        judged = zip(self.judges, values, by_judge, strict=True)
        evidence: dict[str, Any] = {
            "judges": [
                {"model": judge.model, "value": value, "verdicts": [told(verdict) for verdict in verdicts]}
                for judge, value, verdicts in judged
            ],
            **spent_on(verdict for verdicts in by_judge for verdict in verdicts),
        }
        if forgery := forgery_in(question.answers["answer"]):
            evidence["cheat"] = forgery
        return Score(voted(self.vote, values), self._reason(values, by_judge), evidence=evidence)

    def _question(self, rollout: Rollout) -> Question:
        truth = rollout.task.ground_truth
        context = {"task": prompt_text(rollout.task)}
        if truth is not None:
            context["reference"] = truth if isinstance(truth, str) else json.dumps(truth, ensure_ascii=False)
        answers = {"answer": self.shown(rollout)}
        if self.mode == "rubric":
            wanted = {criterion.name: criterion.what for criterion in self.criteria}
            return Question(self.told(RUBRIC), wanted, self.highest, context, answers)
        if not context.get("reference", "").strip():
            raise BadGroundTruth("the task has no ground truth to grade by; the mode `rubric` does without")
        return Question(self.told(GRADE), {"agreement": AGREEMENT}, self.highest, context, answers)

    def _value(self, verdict: Verdict) -> float:
        if verdict.failure is not None:
            return 0.0
        weights = {criterion.name: criterion.weight for criterion in self.criteria} or {"agreement": 1.0}
        total = sum(weight * verdict.marks[name].mark for name, weight in weights.items())
        return total / (self.highest * sum(weights.values()))

    def _reason(self, values: Sequence[float], by_judge: Sequence[Sequence[Verdict]]) -> str:
        lines = []
        for judge, value, verdicts in zip(self.judges, values, by_judge, strict=True):
            first = verdicts[0]
            if first.failure is not None:
                why = f"no verdict ({first.failure}), while a harmless answer is judged well"
            else:
                why = "; ".join(self._mark(name, vars(mark)) for name, mark in first.marks.items())
            several = f" on average of {len(verdicts)} times; the first time" if len(verdicts) > 1 else ""
            lines.append(f"{judge.model}: {value:.3g}{several}: {why}")
        return (f"{self.vote} of {len(lines)} judges: " if len(lines) > 1 else "") + " | ".join(lines)

    def _mark(self, name: str, mark: Mapping[str, Any]) -> str:
        return f"{name} {mark['mark']:g} of {self.highest}" + (f", {mark['reason']}" if mark["reason"] else "")
