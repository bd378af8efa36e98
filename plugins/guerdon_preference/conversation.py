"""A prompt and an answer as the tokens that a reward model reads, where no answer can forge a turn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guerdon import BadGroundTruth, Task

PLACE = "the-answer-to-the-prompt"
"""What a chat template is given for an answer: some take the thinking out of one."""


@dataclass(frozen=True)
class Written:
    """`tokens`: how many of the ids are the answer's. `forged`: it holds text that would have been a special token."""

    ids: Sequence[int]
    tokens: int
    forged: bool


@dataclass
class Conversation:
    """Writes for one tokenizer. `openrlhf`: its model was trained by OpenRLHF, which ends every text in its own way."""

    tokenizer: Any
    vocabulary: int
    """How many tokens the model knows. A tokenizer may have more, and no answer may hold those."""
    openrlhf: bool = False
    special: set[int] = field(init=False)
    head: list[int] = field(init=False)
    """Tokens that begin and end a text without a chat template."""
    tail: list[int] = field(init=False)

    def __post_init__(self) -> None:
        declared = {number for number, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        self.special = {*declared, *self.tokenizer.all_special_ids} - {self.tokenizer.unk_token_id}
        self.special |= {*range(self.vocabulary, len(self.tokenizer))}
        whole, plain = self.tokenizer.encode("a"), self._encoded("a")
        begin = next(i for i in range(len(whole) + 1) if whole[i : i + len(plain)] == plain or i == len(whole))
        end = self.tokenizer.eos_token_id
        self.head, self.tail = whole[:begin], whole[begin + len(plain) :] or ([] if end is None else [end])

    def written(self, task: Task, answer: str) -> Written:
        """The answer to the task's prompt. Raises BadGroundTruth for a prompt that cannot be written."""
        # A lone surrogate is no text, and tokenizers raise.
        answer = answer.strip().encode("utf-8", "replace").decode()
        head, before, after, tail = self._around(task.prompt)
        whole, left, right = self._encoded(before + answer + after), self._encoded(before), self._encoded(after)
        forged = self._specials(whole) != self._specials(left) + self._specials(right)
        if forged:
            plain = self.tokenizer.encode(answer, add_special_tokens=False, split_special_tokens=True)
            # Where special tokens are in the model's own vocabulary too, splitting does not help.
            whole = [*left, *(number for number in plain if number not in self.special), *right]
        return Written([*head, *whole, *tail], max(len(whole) - len(left) - len(right), 0), forged)

    def _around(self, prompt: str | Sequence[Mapping[str, Any]]) -> tuple[list[int], str, str, list[int]]:
        if not self.tokenizer.chat_template:
            if not isinstance(prompt, str):
                raise BadGroundTruth("the prompt is a list of messages, and the reward model has no chat template")
            return self.head, prompt, "", self.tail
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        try:
            answered = [*messages, {"role": "assistant", "content": PLACE}]
            text = str(self.tokenizer.apply_chat_template(answered, tokenize=False))
        except Exception as error:  # a template is a program, and may raise anything
            said = str(error).strip() or type(error).__name__
            raise BadGroundTruth(f"the reward model's chat template does not take the prompt: {said}") from error
        before, found, after = text.rpartition(PLACE)
        if not found:
            raise BadGroundTruth("the reward model's chat template leaves the answer out")
        if self.openrlhf:
            after = after.rstrip("\n")
            after += "" if after.endswith(self.tokenizer.eos_token) else f" {self.tokenizer.eos_token}"
        return [], before, after, []

    def _encoded(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def _specials(self, ids: Sequence[int]) -> list[int]:
        return [number for number in ids if number in self.special]
