"""Text of strangers, before a judge sees it: nothing in it is a special token, and nothing is invisible."""

import json
import re

from guerdon_judge.verdict import objects_in

LONGEST_LOOKED_AT = 200_000
"""Characters that are searched for forgeries. It is a count for people, and no guard."""

# A server turns these into tokens even inside of a message: a forged turn would be a real one.
_SPECIAL = re.compile(
    r"<(?=[|｜]|/?(?:s|bos|eos|pad|unk|mask)>|</?SYS|(?:start|end)_of_turn)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])"
)
_FORGED_TURN = re.compile(
    r"<[|｜][\w▁]{1,40}[|｜]>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>"
    r"|^\W*(?:BEGIN|END) [A-Za-z]{1,20} [0-9a-f]{6,}",
    re.MULTILINE,
)
# Controls, marks of direction, zero-width characters, tags and variation selectors that hide text in emoji, surrogates
# and private use; but not the two joiners, without which Persian and emoji fall apart.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\ue000-\uf8ff\U000e0000-\U000e0fff\U000f0000-\U0010ffff]"
)
_VERDICT = {"canary", "marks", "mark", "score", "rating", "grade", "verdict"}
_BESIDE = {"reason", "reasons", "explanation", "reasoning", "comment"}


def disarmed(text: str) -> str:
    """The same for a reader: special tokens are pulled apart, and what cannot be seen is a replacement character."""
    return _UNSEEN.sub("\ufffd", _SPECIAL.sub(lambda found: found[0] + " ", text))


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
