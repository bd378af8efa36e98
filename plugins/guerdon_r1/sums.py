"""Sums to be worked out in one's head, one term after the other, and texts that show how."""

import hashlib
from collections.abc import Iterator, Sequence
from random import Random
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from guerdon import Task, Tasks

HELD_OUT = 10
"""One problem of so many is in the split `test`."""

THEREFORE = {"en": " so ", "zh": "所以"}
"""What stands between two steps of a chain of thought."""

Share = Annotated[float, Field(ge=0, le=1)]


class Sums(Tasks):
    """Sums such as `3+5+7=?`, each with a text that solves it in its metadata, under `completion`, for `sft`.

    As they are, the texts are demonstrations that earn full marks: the example's is
    `<think>3+5=8 so 8+7=15</think><answer>\\boxed{15}</answer>`. With other shares they are what a base model may have
    read: some of them untagged, some without the steps, some in Chinese, some wrong.

    A problem is held out or not by its hash, so the splits never share one, whatever the other options are; but the
    same digits in another order are another problem. Problems of `train` may come again, in another text; those of
    `test` come once.
    """

    name: ClassVar[str] = "sums"

    size: Annotated[int, Field(gt=0)] = 1000
    """How many tasks."""
    split: Literal["train", "test"] = "train"
    """`test` has the tenth of all problems that is held out, `train` the others."""
    seed: int = 0
    """Another seed draws other tasks."""
    terms: tuple[int, int] = (3, 4)
    """How many terms a sum has, at least and at most. Two would leave no steps to join, and no word to think in."""
    digits: Annotated[int, Field(ge=1, le=15)] = 1
    """How many digits a term has."""
    tagged: Share = 1.0
    """The share of the texts that are in the format of DeepSeek-R1."""
    thinking: Share = 1.0
    """The share of the other texts that show the steps; the rest is a bare number. In tags there are always steps."""
    chinese: Share = 0.0
    """The share of the texts that join their steps with 所以 instead of "so". The tasks' language is English."""
    slips: Share = 0.0
    """The share of the texts in which one step is wrong by one, and what follows from it too."""

    @model_validator(mode="after")
    def _possible(self) -> "Sums":
        least, most = self.terms
        if not 3 <= least <= most:
            raise _mistake(f"terms: at least three, and the smaller number first; got [{least}, {most}]")
        # Half of the held-out problems and more would make the search for one that is not drawn yet long.
        problems = sum((9 * 10 ** (self.digits - 1)) ** terms for terms in range(least, most + 1))
        limit = problems // (2 * HELD_OUT)
        if self.split == "test" and self.size > limit:
            raise _mistake(
                f"size: of {problems:,} problems at most {limit:,} come in the split test; got {self.size:,}"
            )
        return self

    def __iter__(self) -> Iterator[Task]:  # type: ignore[override]  # as in Tasks
        """The tasks. Which problems they ask depends on `seed`, `split`, `terms` and `digits` alone."""
        problems, texts = Random(f"problems {self.seed}"), Random(f"texts {self.seed}")
        drawn: set[tuple[int, ...]] = set()
        for number in range(self.size):
            terms = self._problem(problems, drawn)
            if self.split == "test":
                drawn.add(terms)
            yield Task(
                id=f"sums/{self.split}/{self.seed}/{number}",
                prompt="+".join(map(str, terms)) + "=?",
                ground_truth=sum(terms),
                domain="math",
                language="en",
                metadata={"completion": self._text(terms, texts)},
            )

    def _problem(self, random: Random, drawn: set[tuple[int, ...]]) -> tuple[int, ...]:
        while True:
            smallest = 10 ** (self.digits - 1)
            terms = tuple(random.randrange(smallest, 10 * smallest) for _ in range(random.randint(*self.terms)))
            if terms not in drawn and is_held_out(terms) == (self.split == "test"):
                return terms

    def _text(self, terms: Sequence[int], random: Random) -> str:
        tagged, thinking, chinese, slips = (random.random() for _ in range(4))
        wrong = random.randrange(1, len(terms)) if slips < self.slips else None
        steps, result = [], terms[0]
        for number, term in enumerate(terms[1:], start=1):
            before, result = result, result + term + (random.choice((-1, 1)) if number == wrong else 0)
            steps.append(f"{before}+{term}={result}")
        chain = THEREFORE["zh" if chinese < self.chinese else "en"].join(steps)
        if tagged < self.tagged:
            return f"<think>{chain}</think><answer>\\boxed{{{result}}}</answer>"
        return chain if thinking < self.thinking else str(result)


def is_held_out(terms: Sequence[int]) -> bool:
    """Whether a problem is in the split `test`. The same on every machine and in every release."""
    digest = hashlib.sha256("+".join(map(str, terms)).encode()).digest()
    return int.from_bytes(digest[:8], "big") % HELD_OUT == 0


def _mistake(what: str) -> PydanticCustomError:
    return PydanticCustomError("sums", "{what}", {"what": what})
