"""The little of Markdown and LaTeX that readability looks at: paragraphs, fences and delimiters."""

import re
from collections.abc import Iterator

_FENCE = re.compile(r"[ \t]{0,8}(`{3,}|~{3,})")
_NEW_PARAGRAPH = re.compile(r"[ \t]*(?:[-*+•][ \t]|\d{1,3}[.)、]|#{1,6}[ \t]|\||>)")
_DELIMITER = re.compile(r"\\\\|\\\$|\$\$|\\\[|\\\]|\\\(|\\\)|\\begin\{|\\end\{")
_PAIRS = {"\\[": "\\]", "\\(": "\\)", "\\begin{": "\\end{"}


def outside_fences(text: str) -> tuple[list[str], bool]:
    """The lines outside fenced code, an empty one for each fence, and whether every fence is closed."""
    lines: list[str] = []
    fence = ""
    for line in text.splitlines():
        match = _FENCE.match(line)
        if fence:
            if match and match[1].startswith(fence):
                fence = ""
        elif match or line.count("```") % 2:
            # An inline ```code``` closes on its own line; a fence need not begin one: models write `Code: ```python`.
            fence = "```" if not match else "" if match[1] in line[match.end() :] else match[1]
            lines.append("" if match else line.partition("```")[0])
        else:
            lines.append(line)
    return lines, not fence


def paragraphs(lines: list[str]) -> Iterator[str]:
    """Runs of lines without a blank one between them; a list item, heading, table row or quote begins a new one."""
    paragraph: list[str] = []
    for line in [*lines, ""]:
        if paragraph and (not line.strip() or _NEW_PARAGRAPH.match(line)):
            yield "\n".join(paragraph)
            paragraph = []
        if line.strip():
            paragraph.append(line)


def unclosed_latex(text: str) -> str | None:
    """The first LaTeX delimiter that opens and never closes, or closes and was never open; None if all is well."""
    open_: list[str] = []
    displayed = False
    for match in _DELIMITER.finditer(text):
        mark = match.group()
        if mark == "$$":
            if not displayed:
                open_.append(mark)
            elif open_.pop() != mark:
                return mark
            displayed = not displayed
        elif mark in _PAIRS:
            open_.append(mark)
        elif mark in _PAIRS.values() and (not open_ or _PAIRS.get(open_.pop()) != mark):
            return mark
    return open_[0] if open_ else None
