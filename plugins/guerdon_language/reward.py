"""DeepSeek-R1's language-consistency reward."""

from typing import Literal

from pydantic import field_validator

from guerdon import BadGroundTruth, Budget, Rollout, Score, Verifier
from guerdon_language.codes import alike, target_code


class LanguageConsistency(Verifier):
    """The share of the words of the thinking that are in the task's language.

    Num(Words_target) / Num(Words) of the chain of thought: DeepSeek-R1 (arXiv 2501.12948), section 2.3.2. From 0 to 1.
    Formulas, code, numbers, units, addresses and tags count for no language, unless they are prose in disguise.

    0 for an empty chain of thought, or policies would learn to stop thinking, and 0 for one without a single word of a
    natural language, or they would learn to think in signs that nobody can read.

    Not covered: what is said is not looked at, so fluent nonsense in the right language earns 1; with the scope
    `thinking` a policy may think too little there and go on in the answer. Pair it with a reward for being right.
    """

    name = "language-consistency"
    needs = dict.fromkeys(("lingua", "jieba", "langdetect"), "pip install 'guerdon[language]'")
    budget = Budget(cpu_seconds=20.0, wall_seconds=60.0, memory_mb=2048)
    preload = ("guerdon_language.warm",)

    language: str | None = None
    """The language for tasks that name none: an ISO 639-1 code (`zh`), a tag (`zh-CN`) or a name (`chinese`)."""

    scope: Literal["thinking", "completion"] = "thinking"
    """What is judged: the thinking part, or the whole completion, for models that do not think in tags."""

    detector: Literal["lingua", "langdetect"] = "lingua"
    """What names languages that no function word gives away. langdetect is pure Python, slower, and errs more often."""

    @field_validator("language")
    @classmethod
    def _known(cls, value: str | None) -> str | None:
        if value is not None:
            target_code(value)
        return value

    def verify(self, rollout: Rollout) -> Score:
        """Count words by language and compare."""
        from guerdon_language.census import census
        from guerdon_language.detectors import DETECTORS

        target = self._target(rollout)
        text = rollout.thinking if self.scope == "thinking" else rollout.completion
        counts = census(text, target, DETECTORS[self.detector])
        evidence = {"target": target, "words": dict(counts.most_common())}
        total = counts.total()
        if not total:
            what = "has no words of any language" if text.strip() else "is empty"
            return Score(0.0, f"the {self.scope} {what}", evidence=evidence)
        right = sum(counts[code] for code in alike(target))
        others = ", ".join(f"{code} {count}" for code, count in counts.most_common() if code not in alike(target))
        reason = f"{right} of {total} words are {target}" + (f"; others: {others}" if others else "")
        return Score(right / total, reason, evidence=evidence)

    def _target(self, rollout: Rollout) -> str:
        named = rollout.task.language or self.language
        if not named:
            raise BadGroundTruth("the task names no language; give it one, or set the option `language`")
        try:
            return target_code(named)
        except ValueError as error:
            raise BadGroundTruth(f"task.language: {error}") from None
