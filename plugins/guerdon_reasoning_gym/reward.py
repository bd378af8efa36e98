"""reasoning-gym's own scorers as a reward."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from guerdon import Budget, Rollout, Score, Task, Verifier
from guerdon_reasoning_gym.entry import Entry, from_json

OPEN, CLOSE = "<answer>", "</answer>"

ANSWER_IN_METADATA = {
    "graph_color": "possible_answer",
    "propositional_logic": "example_answer",
    "rubiks_cube": "example_correct_answer",
}
"""Where the datasets whose entries have no answer of their own keep one that is right."""


UNSOLVED = "Integral("
"""In the answer of an `intermediate_integration` that sympy could not solve either; it only restates the question."""


class ReasoningGym(Verifier):
    """What reasoning-gym's own scorer gives the answer, from 0 to 1; many give a part of it for a near miss.

    The answer is what the last pair of `<answer>` tags in the answer part holds, as in reasoning-gym's own trainers
    (`reasoning_gym.utils.extract_answer`), and all of the answer part where there are none.

    No answer is ever run as code, although nine of its scorers would do that: lists of literals, and expressions of
    `+ - * / **` and elementary functions, are read instead.

    Known of the 105 datasets of version 0.1.25: `boxnet` and `rush_hour` offer no answer to prove their scorers with,
    nor do 14 of 120 tasks of `intermediate_integration`, whose own answer is an unsolved integral (which is no
    answer here, or copying the question would pay). The scorers of `coin_flip`, `complex_arithmetic`,
    `game_of_life_halting` and `puzzle24` are replaced, because each takes one constant answer for right on every task.
    """

    name: ClassVar[str] = "reasoning-gym"
    needs: ClassVar[Mapping[str, str]] = {"reasoning_gym": "pip install 'guerdon[reasoning-gym]'"}
    budget: ClassVar[Budget] = Budget(cpu_seconds=2.0, wall_seconds=5.0, memory_mb=1024)
    preload: ClassVar[tuple[str, ...]] = ("guerdon_reasoning_gym.scorer",)
    ground_truth_type: ClassVar[Any] = Entry

    def verify(self, rollout: Rollout) -> Score:
        """The score of the dataset that the task came from."""
        from guerdon_reasoning_gym import scorer

        entry: Entry = rollout.task.ground_truth
        answer = extract_answer(rollout.answer)
        right_is_empty = entry["answer"] == "" and CLOSE in rollout.answer  # as of some `ab` puzzles
        if not answer and not right_is_empty:
            return Score(0.0, "there is no answer")
        own = {key: from_json(entry[key]) for key in ("question", "answer", "metadata")}
        value = scorer.score(entry["dataset"], entry["config"], answer, own)
        right = _own_answer(entry)
        beside = f"; its own answer is {_short(right)}" if right is not None else ""
        return Score(
            value, f"{entry['dataset']} gives {value:.3g} for {_short(answer)}{beside}", evidence={"answer": answer}
        )

    def canonical(self, task: Task) -> str | None:
        """The entry's own answer, in tags."""
        answer = _own_answer(task.ground_truth)
        return None if answer is None else f"{OPEN}{answer}{CLOSE}"


def extract_answer(text: str) -> str:
    """What the last pair of `<answer>` tags holds, or all of the text without one; stripped."""
    before, closed, _ = text.rpartition(CLOSE)
    _, opened, inside = before.rpartition(OPEN)
    return (inside if closed and opened else text).strip()


def _own_answer(entry: Entry) -> str | None:
    if entry["answer"] is not None:
        return None if UNSOLVED in entry["answer"] else entry["answer"]
    key = ANSWER_IN_METADATA.get(entry["dataset"])
    answer = from_json(entry["metadata"].get(key)) if key else None
    return answer if answer is None or isinstance(answer, str) else json.dumps(answer)


def _short(text: str) -> str:
    return repr(text) if len(text) <= 100 else repr(text[:100]) + "…"
