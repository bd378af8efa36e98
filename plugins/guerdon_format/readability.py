"""A rule-based readability reward."""

import re
from collections.abc import Iterator

from pydantic import Field

from guerdon import Rollout, Score, Verifier
from guerdon_format.markdown import outside_fences, paragraphs, unclosed_latex
from guerdon_format.mixing import foreign_words
from guerdon_format.visible import says_something

_WIDE = re.compile("[\u1100-\u11ff\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60\U00020000-\U0003ffff]")


class Readability(Verifier):
    """The share of these that the answer meets: summary, paragraphs, closed, one language.

    - summary: the reasoning comes first, and the answer that follows it is shorter.
    - paragraphs: none is longer than `longest_paragraph` (a wall of text).
    - closed: no code fence and no LaTeX delimiter is left open.
    - one language: the words are in one script, apart from a few foreign ones.

    These are the faults for which DeepSeek-R1-Zero was called hard to read (arXiv 2501.12948, section 2.3: language
    mixing, no structure, no summary at the end), as far as rules can see them. From 0 to 1; 0 for an answer that is
    empty or without a letter or digit.

    Not covered: whether it reads well, whether the summary sums up, and languages that share a script.
    """

    name = "readability"
    isolation = "inline"

    longest_paragraph: int = Field(default=1500, gt=0)
    """Characters in the longest paragraph that is no wall of text; those of double width (Chinese …) count two."""

    def verify(self, rollout: Rollout) -> Score:
        """List what is not met."""
        if not says_something(rollout.answer):
            return Score(0.0, "the answer is empty")
        faults = dict(self._faults(rollout))
        reason = "; ".join(f"{name}: {fault}" for name, fault in faults.items()) or "nothing to find fault with"
        return Score((4 - len(faults)) / 4, reason, evidence={"faults": faults})

    def _faults(self, rollout: Rollout) -> Iterator[tuple[str, str]]:
        answer, thinking = rollout.answer.strip(), rollout.thinking.strip()
        if not says_something(thinking):
            yield "summary", "no reasoning comes before the answer"
        elif len(answer) >= len(thinking):
            yield "summary", f"the answer has {len(answer)} characters, the reasoning only {len(thinking)}"
        lines, fences_closed = outside_fences(answer)
        longest = max(map(_width, paragraphs(lines)), default=0)
        if longest > self.longest_paragraph:
            yield "paragraphs", f"one of {longest} characters"
        mark = unclosed_latex("\n".join(lines)) if fences_closed else "a code fence"
        if mark:
            yield "closed", f"{mark} has no partner"
        if foreign := foreign_words("\n".join(lines)):
            yield "one language", foreign


def _width(paragraph: str) -> int:
    return len(paragraph) + len(_WIDE.findall(paragraph))
