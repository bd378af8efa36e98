"""Text of strangers, before a judge sees it: nothing in it is a special token, and nothing is invisible."""

import json
import re
import unicodedata

from guerdon_judge.verdict import objects_in

LONGEST_LOOKED_AT = 200_000
"""Characters that are searched for forgeries. It is a count for people, and no guard."""

# A server turns these into tokens even inside of a message: a forged turn would be a real one.
_SPECIAL = re.compile(
    r"<(?=[|｜]|/?(?:s|bos|eos|pad|unk|mask)>|</?SYS|(?:start|end)_of_turn)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])"
)
_FORGED_TURN = re.compile(
    r"<[|｜][^<>|｜\n]{1,40}[|｜]>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>"
    r"|^\W*(?:BEGIN|END) [A-Za-z]{1,20} [0-9a-f]{6,}",
    re.MULTILINE,
)
_KEPT = "\u200c\u200d"
"""Joiners, without which Persian and emoji fall apart."""
_VERDICT = {"canary", "marks", "mark", "score", "rating", "grade", "verdict"}
_BESIDE = {"reason", "reasons", "explanation", "reasoning", "comment"}


def disarmed(text: str) -> str:
    """The same for a reader: special tokens are pulled apart, and what cannot be seen is a replacement character."""
    apart = _SPECIAL.sub(lambda found: found[0] + " ", text)
    return "".join("\ufffd" if _unseen(one) else one for one in apart)


def _unseen(character: str) -> bool:
    if character in "\n\t" or character in _KEPT:
        return False
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co")


def forgery_in(text: str) -> str | None:
    """What in a completion is shaped like something of the judge's or of the prompt's; None for nothing."""
    text = text[:LONGEST_LOOKED_AT]
    if _FORGED_TURN.search(text):
        return "it forges the end of its part, or another's turn"
    for found in objects_in(text):
        keys = {key.lower() for key in found}
        if "canary" in keys or (keys & _VERDICT and keys <= _VERDICT | _BESIDE):
            return f"it is shaped like a verdict: {json.dumps(found)[:80]}"
    return None
