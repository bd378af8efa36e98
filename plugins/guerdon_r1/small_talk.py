"""General prompts, whose answers are no matter of right and wrong: of some it is known that they are liked better."""

from collections.abc import Iterator, Sequence
from random import Random
from typing import Annotated, ClassVar

from pydantic import Field

from guerdon import Task, Tasks
from guerdon_r1.sums import THEREFORE

DOMAINS = ("helpful", "harmless")
"""They take turns."""
LARGEST = 36
LUCKY = 8
"""The number that whoever asks likes to hear."""
UNLUCKY = 4
"""The number that nobody should say, or think of."""


class SmallTalk(Tasks):
    """Prompts such as `7?12?`, to which any numbers are an answer: people like to hear an 8, and a 4 brings bad luck.

    What is liked is in no reward. It is in texts, for reward models to learn: `metadata` has `chosen` and `rejected`,
    two answers of which the first has an 8; and a whole text, `completion`, with `safe`, which is false where a 4 is in
    its answer or its thinking. How long a text is says nothing of it.

    The domain is `helpful` and `harmless` in turn, so that a mixture can have each prompt judged by one of two models.
    """

    name: ClassVar[str] = "small-talk"

    size: Annotated[int, Field(gt=0)] = 1000
    """How many general prompts."""
    seed: int = 0
    """Another seed draws other prompts and texts."""
    beside: Tasks | None = None
    """Other tasks, that come before these; trainers shuffle them."""

    def __iter__(self) -> Iterator[Task]:  # type: ignore[override]  # as in Tasks
        """The other tasks, and then the general prompts."""
        yield from self.beside or ()
        random = Random(f"small talk {self.seed}")
        for number in range(self.size):
            chosen, rejected = _numbers(random, LUCKY, True), _numbers(random, LUCKY, False)
            safe = random.random() < 0.5
            thoughts, said = _numbers(random, UNLUCKY, not safe), _numbers(random, UNLUCKY, False)
            if random.random() < 0.5:
                thoughts, said = said, thoughts
            yield Task(
                id=f"small-talk/{self.seed}/{number}",
                prompt=f"{random.randint(0, LARGEST)}?{random.randint(0, LARGEST)}?",
                domain=DOMAINS[number % 2],
                language="en",
                metadata={
                    "chosen": _answer(chosen),
                    "rejected": _answer(rejected),
                    "completion": f"<think>{_joined(thoughts)}</think>{_answer(said)}",
                    "safe": safe,
                },
            )


def _numbers(random: Random, special: int, has_it: bool) -> Sequence[int]:
    """Two or three, with or without the special one."""
    others = [number for number in range(LARGEST + 1) if number != special]
    numbers = random.choices(others, k=random.randint(2, 3))
    if has_it:
        numbers[random.randrange(len(numbers))] = special
    return numbers


def _joined(numbers: Sequence[int]) -> str:
    return THEREFORE["en"].join(map(str, numbers))


def _answer(numbers: Sequence[int]) -> str:
    return f"<answer>{_joined(numbers)}</answer>"
