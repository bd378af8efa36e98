"""What of a text is prose: formulas, code, addresses and tags are taken out, unless prose hides in them.

Formulas are `$…$`, `$$…$$`, `\\(…\\)`, `\\[…\\]` and `\\begin{…}…\\end{…}`; code is fenced or in backticks, and a fence
that is never closed reaches to the end. Words in them count for no language. But a policy that is paid for the words
*outside* would learn to put what it thinks *inside*, so a formula or a block of code in which most words stand in runs
of plain prose is read as prose. Linear in the length of the text.
"""

import re
from collections.abc import Iterator

from guerdon_language.lexicon import is_function_word, word_list

GONE = "\0"
"""Stands where something was taken out, so that the words on both sides do not become one."""

_MARKS = re.compile(
    r"\\\\|\\\$|\$\$|\$|\\\[|\\\]|\\\(|\\\)|\\begin\{[A-Za-z]{1,24}\*?\}|\\end\{[A-Za-z]{1,24}\*?\}|`{3,}|`"
)
_CLOSERS = {"\\[": "\\]", "\\(": "\\)", "$$": "$$", "$": "$", "```": "```", "`": "`"}
_COMMAND = re.compile(r"\\[A-Za-z]+\*?|\\.")
_URL = re.compile(r"(?:https?://|www\.)[!-;=?-~]{1,120}")
_MAIL = re.compile(r"(?<![A-Za-z0-9_.+-])[A-Za-z0-9_.+-]{1,64}@[A-Za-z0-9.-]{1,190}")
# No spaces inside attribute values: a tag is no place to hide a sentence.
_TAG = re.compile(
    r"</?[A-Za-z][A-Za-z0-9_-]{0,30}(?:\s{1,8}[A-Za-z-]{1,30}=(?:\"[^\"<>\s]{0,100}\"|'[^'<>\s]{0,100}'|[^\s\"'<>]{1,50}))"
    r"{0,8}\s{0,8}/?>"
)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]+")

_TEXT_COMMAND = re.compile(r"\\(?:text[a-z]{0,8}|mbox|textnormal|quad|qquad|[ ,;:!])|[~{}]")
_WORD_OR_BREAK = re.compile(r"([^\W\d_]{2,}(?:['’][^\W\d_]+)?)|[^\w\s,.;:!?'\"’，。；：！？、()-]|\d")
_IN_FORMULA, _IN_CODE = 4, 10
"""Words in the shortest run of prose that matters: `\\text{ if n is even}` and short comments are no disguise."""
_HAN = re.compile("[\u3400-\u9fff]")


def prose(text: str) -> str:
    """The text without what counts for no language."""
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
    text = "".join(_outside(text))
    if "\\" in text:
        text = _COMMAND.sub(GONE, text)
    if "://" in text or "www." in text:
        text = _URL.sub(GONE, text)
    if "@" in text:
        text = _MAIL.sub(GONE, text)
    if "<" in text:
        text = _TAG.sub(GONE, text)
    return text


def _outside(text: str) -> Iterator[str]:
    """What lies outside formulas and code, and what prose was hidden in them."""
    marks = [(m.start(), m.end(), m.group()) for m in _MARKS.finditer(text)]
    partner = _partners(marks)
    done = i = 0
    while i < len(marks):
        start, after, mark = marks[i]
        j = partner.get(i)
        unclosed_fence = j is None and mark.startswith("```")
        if j is None and not unclosed_fence:
            i += 1
            continue
        end, resume = marks[j][:2] if j is not None else (len(text), len(text))
        if not _encloses(text, mark, after, end):
            i += 1
            continue
        yield text[done:start]
        yield GONE + _hidden(text[after:end], code=mark[0] == "`") + GONE
        done = resume
        i = j + 1 if j is not None else len(marks)
    yield text[done:]


def _partners(marks: list[tuple[int, int, str]]) -> dict[int, int]:
    """For each mark that can open something, the index of the mark that closes it."""
    partner: dict[int, int] = {}
    upcoming: dict[str, int] = {}
    environments: list[int] = []
    for i in range(len(marks) - 1, -1, -1):
        mark = "```" if marks[i][2].startswith("```") else marks[i][2]
        if mark.startswith("\\end"):
            environments.append(i)
        elif mark.startswith("\\begin"):
            if environments:
                partner[i] = environments.pop()
        else:
            closer = upcoming.get(_CLOSERS.get(mark, ""))
            if closer is not None:
                partner[i] = closer
            upcoming[mark] = i
    return partner


def _encloses(text: str, mark: str, start: int, end: int) -> bool:
    """Whether a pair of ambiguous marks is a formula or code, and not two prices or a stray backtick."""
    if mark == "`":
        return end - start <= 400 and text.find("\n", start, end) < 0
    if mark == "$":
        # As in pandoc: no space inside either dollar, and no digit after the second.
        inside = end > start and not text[start].isspace() and not text[end - 1].isspace()
        return inside and end - start <= 2000 and not text[end + 1 : end + 2].isdigit()
    return True


def _hidden(content: str, *, code: bool) -> str:
    """The runs of prose in a formula or a block of code, if most of its words are in them; else nothing."""
    if not code and ("\\" in content or "~" in content):
        content = _COMMAND.sub(" 0 ", _TEXT_COMMAND.sub(" ", content))
    if content.count(" ") + content.count("\n") < 3 and not _HAN.search(content):
        return ""
    words = inside = start = end = 0
    run: list[str] = []
    runs: list[str] = []
    for match in _WORD_OR_BREAK.finditer(content + "0"):
        word = match.group(1)
        if word:
            start = start if run else match.start()
            end = match.end()
            words += _size(word)
            run.append(word)
        elif run and not (code and match.group() == "#"):
            if found := _prose_in(run, _IN_CODE if code else _IN_FORMULA):
                inside += found
                runs.append(content[start:end])
            run = []
    return GONE.join(runs) if inside * 2 > words else ""


def _size(word: str) -> int:
    # Two Han characters make about one word.
    return max(1, len(word) // 2) if _HAN.match(word) else 1


def _prose_in(run: list[str], least: int) -> int:
    """How many words of a run of words are prose: all, if it is long enough and has enough function words."""
    size = sum(map(_size, run))
    if size < least:
        return 0
    # Words of prose that are words of programs as well say nothing.
    keywords = word_list("keywords.txt")
    telling = sum(_HAN.match(w) is not None or (w.lower() not in keywords and is_function_word(w)) for w in run)
    return size if telling * 4 >= len(run) else 0
