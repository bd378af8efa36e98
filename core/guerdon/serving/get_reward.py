"""The protocol of OpenRLHF's remote rewards: queries in, numbers out, and nowhere to say that there is none.

OpenRLHF 0.11.2 (utils/agent.py) posts `{"query": [prompt + completion], "prompts": […], "labels": […]}`, one of each,
and takes `rewards`, `scores` and the values of `extra_logs` for numbers: a list of one would give tensors of another
shape (trainer/ppo_utils/samples_generator.py). Whatever is asked for several at once gets lists.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from guerdon.columns import TASK_COLUMNS, rollout_of
from guerdon.errors import DataError, GuerdonError
from guerdon.jsonvalues import parse
from guerdon.serving.reading import MOST_MISTAKES
from guerdon.serving.refusals import Refusal
from guerdon.totals import Term, Total
from guerdon.types import OPEN, Outcome, Rollout, prompt_opens_thinking

END_TOKENS = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|return|>",
    "<｜end▁of▁sentence｜>",
    "<｜▁pad▁｜>",
    "<｜pad｜>",
    "<|finetune_right_pad_id|>",
    "<end_of_turn>",
    "<eos>",
    "<pad>",
    "</s>",
    "[EOS]",
    "[PAD]",
)
"""End and padding tokens of the usual model families."""
SHORTEST_TAIL = 16
"""Characters of a prompt, cut off at its head, that are enough to find where it ends."""


@dataclass(frozen=True)
class Protocol:
    """How a server answers OpenRLHF."""

    terms: Sequence[Term]
    substitute: float
    """The reward of what has no score."""
    end_tokens: Sequence[str]
    """What is dropped at the end of a query, which OpenRLHF decodes with special tokens in it."""

    def rollouts(self, asked: Mapping[str, Any]) -> list[Rollout | None]:
        """The rollouts that are asked for; None where the query does not begin with its prompt. Raises Refusal."""
        columns = [asked.get(name) for name in ("query", "prompts", "labels")]
        lists = all(isinstance(column, list) for column in columns)
        if not lists or len({len(column or ()) for column in columns}) > 1:
            what = "`query`, `prompts` and `labels` are not three lists of one length"
            raise Refusal(422, [DataError("body", what, "send what OpenRLHF sends, or use /score")])
        found: list[Rollout | None] = []
        mistakes: list[GuerdonError] = []
        for number, (query, prompt, label) in enumerate(zip(*columns, strict=True)):
            try:
                found.append(self._rollout(query, prompt, label, number))
            except DataError as error:
                mistakes.append(error)
        if mistakes:
            raise Refusal(422, mistakes[:MOST_MISTAKES], mistakes=len(mistakes))
        return found

    def answer(self, totals: Sequence[Total]) -> dict[str, Any]:
        """What OpenRLHF is told."""
        rewards = [self.substitute if total.value is None else float(total.value) for total in totals]
        logs = [self._logs(total) for total in totals]
        if len(totals) == 1:
            return {"rewards": rewards[0], "scores": rewards[0], "extra_logs": logs[0]}
        keys = self._logs(NO_ROLLOUT)
        return {"rewards": rewards, "scores": rewards, "extra_logs": {key: [one[key] for one in logs] for key in keys}}

    def _logs(self, total: Total) -> dict[str, float]:
        logs = {}
        for term in self.terms:
            said = total.terms.get(term.name)
            logs[f"rewards/{term.name}"] = float(said.score.value or 0.0) if said is not None else 0.0
        return {**logs, "unscored": float(total.value is None)}

    def _rollout(self, query: Any, prompt: Any, label: Any, number: int) -> Rollout | None:
        for name, value in (("query", query), ("prompts", prompt)):
            if not isinstance(value, str):
                raise DataError(f"{name}[{number}]", f"is {value!r:.80}", "it must be text")
        completion = completion_of(query, prompt)
        if completion is None:
            return None
        row = row_of_label(label, prompt)
        rollout, _ = rollout_of({**row, "completion": self._without_end(completion)}, f"labels[{number}]")
        if not rollout.prefill and prompt.rstrip().endswith(OPEN) and not prompt_opens_thinking(rollout.task.prompt):
            rollout = replace(rollout, prefill=prompt[prompt.rindex(OPEN) :])
        # Its tokens are not known here; that nothing but the prompt was given to the model is.
        return replace(rollout, prompt_ids=())

    def _without_end(self, completion: str) -> str:
        end = len(completion)
        while found := next((one for one in self.end_tokens if completion.endswith(one, 0, end)), None):
            end -= len(found)
        return completion[:end]


NO_ROLLOUT = Total(
    None, Outcome.UNAVAILABLE, "the query does not begin with its prompt, so that nobody knows the completion", {}
)
"""What is said of a query whose prompt cannot be found in it."""


def completion_of(query: str, prompt: str) -> str | None:
    """What follows the prompt. It may have been encoded and decoded since, and cut off at its head; else None."""
    if query.startswith(prompt):
        return query[len(prompt) :]
    if (end := _end_of(prompt, query)) is not None:
        return query[end:]
    at = prompt.find(query[:SHORTEST_TAIL])
    while at > 0 and len(prompt) - at >= SHORTEST_TAIL:
        if query.startswith(prompt[at:]):
            return query[len(prompt) - at :]
        at = prompt.find(query[:SHORTEST_TAIL], at + 1)
    return None


def _end_of(prompt: str, query: str) -> int | None:
    """Where the prompt ends in the query, if that begins with its words: some tokenizers change white space."""
    at = 0
    for word in prompt.split():
        while query[at : at + 1].isspace():
            at += 1
        if not query.startswith(word, at):
            return None
        at += len(word)
    space = prompt[len(prompt.rstrip()) :]
    return at + len(space) if query.startswith(space, at) else at


def row_of_label(label: Any, prompt: str) -> dict[str, Any]:
    """The columns of the task that a label holds: all of it as JSON, or else only its ground truth."""
    value = label
    if isinstance(label, str) and label.lstrip().startswith("{"):
        try:
            value = parse(label)
        except ValueError:
            pass  # it is a ground truth that begins with a brace
    if isinstance(value, dict):
        if isinstance(value.get("task"), dict):  # as guerdon's trainer `openrlhf` writes it
            value = {**value["task"], "prefill": value.get("prefill")}
        if "ground_truth" in value:
            return {"prompt": prompt, **{name: value[name] for name in (*TASK_COLUMNS, "prefill") if name in value}}
    return {"prompt": prompt, "ground_truth": None if label == "" else label}
