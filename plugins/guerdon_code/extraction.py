"""The program in a completion: its last fenced code block."""

import re
from collections.abc import Sequence

_FENCE = re.compile(r"^[ \t>]*(`{3,}|~{3,})(.*)$")


def program_in(answer: str) -> str:
    """The content of the last fenced code block, or the whole answer where there is no fence."""
    blocks = blocks_in(answer)
    return blocks[-1] if blocks else answer


def blocks_in(text: str) -> Sequence[str]:
    """The contents of all fenced code blocks.

    A block is closed by a fence of the same sign, at least as long, with nothing behind it; one that is never closed
    goes on to the end. As much indentation as its opening fence has is taken off its lines.
    """
    block: list[str] | None = None
    closing, margin = "", ""
    blocks: list[list[str]] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        fence = _FENCE.match(line)
        if block is None:
            # What follows a fence of backticks may hold none: `x` in a sentence is no fence.
            if fence and not (fence[1][0] == "`" and "`" in fence[2]):
                closing, margin, block = fence[1], line[: fence.start(1)], []
        elif fence and fence[1].startswith(closing) and not fence[2].strip():
            blocks.append(block)
            block = None
        else:
            block.append(_without(margin, line))
    if block is not None and any(map(str.strip, block)):
        blocks.append(block)
    return ["\n".join(lines) + "\n" for lines in blocks]


def _without(margin: str, line: str) -> str:
    if line.startswith(margin):
        return line[len(margin) :]
    spaces = len(line) - len(line.lstrip(" \t"))
    return line[min(spaces, len(margin)) :]
