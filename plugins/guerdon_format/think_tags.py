"""The format of DeepSeek-R1: `<think> … </think> <answer> … </answer>`."""

import re

from guerdon import Rollout, Score, Task, Verifier
from guerdon_format.visible import is_blank, says_something

_TAG = re.compile(r"<[ \t]{0,4}/?[ \t]{0,4}(?:think|answer)[ \t]{0,4}/?>", re.IGNORECASE)


class ThinkTags(Verifier):
    """1 for a completion in the format of DeepSeek-R1, else 0.

    `<think> … </think> <answer> … </answer>`, each tag exactly once and in this order, with nothing but white space
    outside, something to read in both parts, and a letter or a digit in the thinking: the format reward of DeepSeek-R1
    (arXiv 2501.12948, section 2.2.2). A `<think>` that the template had already written counts: as the rollout's
    prefill, at the end of the prompt, or, where the sampler has not said what it was given (`prompt_ids`), because a
    `</think>` comes that was never opened; a second one is then one too many.

    Not covered: whether the thinking is thinking. A gate of this kind belongs beside rewards for what is said.
    """

    name = "think-tags"
    isolation = "inline"

    answer_tags: bool = True
    """Whether the answer must stand in `<answer>` tags. If not, it is whatever follows `</think>`."""

    def verify(self, rollout: Rollout) -> Score:
        """Name the first fault, if there is one."""
        fault = self._fault(rollout)
        return Score(0.0, fault) if fault else Score(1.0, "every tag once, in order, and nothing outside")

    def canonical(self, task: Task) -> str:
        """The shortest completion in the format."""
        opening = "" if _opened_by_prompt(task) else "<think>"
        return opening + ("1</think><answer>1</answer>" if self.answer_tags else "1</think>1")

    def _fault(self, rollout: Rollout) -> str | None:
        """What is wrong first in the order of the text. Characters are counted from the head of the completion."""
        # What else the template wrote before its <think> is not the model's.
        template = rollout.prefill[at:] if (at := rollout.prefill.rfind("<think>")) >= 0 else ""
        text, offset = template + rollout.completion, len(template)
        tags = [tag for tag in _TAG.finditer(text) if self.answer_tags or "think" in tag.group().lower()]
        written = [tag.group() for tag in tags]
        expected = ["<think>", "</think>", *(["<answer>", "</answer>"] if self.answer_tags else [])]
        guessed = rollout.prompt_ids is None and "<think>" not in written and "</think>" in written[:1]
        if guessed or (not template and _opened_by_prompt(rollout.task)):
            expected = expected[1:]
        parts = {"</think>": "thinking", "</answer>": "answer"}
        end = 0
        for number, tag in enumerate(tags):
            place = f"at character {tag.start() - offset}"
            if number == len(expected):
                return f"{tag.group()} {place} is one tag too many"
            wanted = expected[number]
            if tag.group() != wanted:
                return f"{tag.group()} {place}, where {wanted} should come first"
            if fault := _part_fault(parts.get(wanted), text[end : tag.start()], end - offset):
                return fault
            end = tag.end()
        if len(tags) < len(expected):
            return f"{expected[len(tags)]} is missing"
        return _part_fault(None if self.answer_tags else "answer", text[end:], end - offset)


def _part_fault(part: str | None, text: str, place: int) -> str | None:
    """What is wrong with a part, or with what lies outside (`part` None); `place` is where it begins."""
    if part is None:
        before = len(text) - len(text.lstrip())
        return None if not text.strip() else f"text outside the tags at character {place + before}"
    if is_blank(text):
        return f"the {part} at character {place} is empty"
    if part == "thinking" and not says_something(text):
        return f"the thinking at character {place} has no letter and no digit"
    return None


def _opened_by_prompt(task: Task) -> bool:
    # Core decides what opens the thinking part; a completion of one letter shows what it decided.
    return Rollout(task, "x").thinking == "x"
