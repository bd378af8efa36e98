"""Answers in words: how they are normalised, and which of them are mathematics after all."""

import re

from guerdon_math.reading.charset import to_ascii
from guerdon_math.reading.vocabulary import EMPTY, INFINITE, MONTHS, REALS, UNDEFINED
from guerdon_math.tree import Node, Seq, Sym, Words

_WRAPPER = re.compile(
    r"\\(?:text|mbox|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|operatorname|emph|bf|it|rm|boldsymbol|bm|"
    r"left|right)\b\*?"
)
_COMMAND = re.compile(r"\\([A-Za-z]+)|\\(.)")
_GAP = re.compile(r"[^\w+\-*/=<>^%]+")
_MATHEMATICAL = re.compile(r"\\[A-Za-z]|[\^_=+*/<>|]|\d[({\[]|[)}\]]\d")
_SPACE = re.compile(r"(?<!\d)[\s$]+|[\s$]+(?!\d)")
_BRACED = re.compile(r"([\^_])\{(\w|\\[A-Za-z]+)\}(?![A-Za-z])")
_WORD = re.compile(r"[^\W\d_]{2}")
_ARTICLE = re.compile(r"\b(?:the|a|an)\b ?")
_JOINT = re.compile(r"\s*(?:,|;|\band\b|和|\\\\)\s*(?:\band\b\s*)?")
_CLOCK = re.compile(r"\s*\$?(\d{1,2})(?::|\{:\})(0\d)\s*\$?\.?")  # no ratio is written 3:05
_TIME = re.compile(r"^(\d{1,2})(?::(\d{2}))? ?([ap])\.? ?m\b\.?$")
_LEAD = re.compile(
    r"(?i)(?:(?:the )?(?:final )?answer is|la respuesta(?: final)? es|la réponse(?: finale)? est|"
    r"a resposta(?: final)? é|la risposta(?: finale)? è|die antwort (?:ist|lautet)|das ergebnis ist|"
    r"đáp án là|đáp số|jawaban(?:nya adalah)?|ответ|cevap|答案[是为]|答えは|정답은|답은|उत्तर(?: है)?|"
    r"الجواب هو|الإجابة هي)[ :：]*"
)
_MAYBE = re.compile(r"(?i)jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|[ap]\.? ?m\b")
_DATE_WORD = re.compile(r"^(\d{1,4})(?:st|nd|rd|th)?$")
_MAX = 4_000


def as_words(text: str) -> Node:
    """The words of an answer: lower case, without articles, wrappers and punctuation; a list if it lists.

    `no solution` is the empty set and `all real numbers` are the reals.
    """
    # runs of spaces are made single before any pattern sees them: two of them side by side take quadratic time
    text = _WRAPPER.sub(" ", " ".join(to_ascii(text[:_MAX]).split()) + text[_MAX:])
    if len(text) > _MAX:
        return Words(text)
    if _MATHEMATICAL.search(text) or not _WORD.search(text):
        # what is neither understood nor prose is only compared as it is spelled
        spelled = _BRACED.sub(r"\1\2", _SPACE.sub("", text)).strip(".").casefold()
        return Words(spelled if "\\" in spelled or "^" in spelled or "_" in spelled else spelled.strip("{}"))
    parts = [normalised(part) for part in _JOINT.split(text)]
    whole = normalised(text)
    if whole in EMPTY:
        return Seq("\\{", "\\}", [])
    if whole in REALS:
        return Sym("reals")
    if whole in INFINITE:
        return Sym("oo")
    if whole in UNDEFINED:
        return Words("undefined")
    parts = [part for part in parts if part]
    if (
        parts
        and parts[0] in ("yes", "no")
        and not {"yes", "no"} & {word for part in parts[1:] for word in part.split()}
    ):
        return Words(parts[0])
    if 1 < len(parts) <= 50:
        return Seq("", "", [Words(part) for part in parts])
    return Words(whole)


def without_lead_in(text: str) -> str:
    """Without a phrase such as "the answer is" in front."""
    lead = _LEAD.match(text) if text[:1].isalpha() else None
    return text[lead.end() :] if lead and lead.end() < len(text) else text


def normalised(text: str) -> str:
    """Lower case, commands as their names, nothing but words, numbers and signs of mathematics, single spaces."""
    text = _COMMAND.sub(lambda m: f" {m[1]} " if m[1] else " ", text)
    text = _GAP.sub(" ", text.replace("'", "").replace("{", " ").replace("}", " ").replace("$", " "))
    text = " ".join(text.casefold().split())
    words = _ARTICLE.sub("", text).strip() or text
    for lead in ("answer is ", "final answer is ", "answer "):
        words = words.removeprefix(lead)
    return words


def time_or_date(text: str) -> Words | None:
    """A time of day or a day of the year, which would else read as a ratio or as a number of Marches."""
    if len(text) > 60:
        return None
    if (clock := _CLOCK.fullmatch(text)) is not None and int(clock[1]) < 24:
        return Words(f"time {int(clock[1])}:{clock[2]}")
    if not _MAYBE.search(text):
        return None
    text = _WRAPPER.sub(" ", to_ascii(text))
    time = _TIME.match(" ".join(re.sub(r"[{}$\\]|\\,", "", text).lower().split()))
    if time and 1 <= int(time[1]) <= 12:
        return Words(f"time {int(time[1])}:{time[2] or '00'} {time[3]}m")
    date = _date(normalised(text))
    return Words(date) if date else None


def _date(words: str) -> str:
    """A day of the year, whatever the order: `march 5 2020`."""
    parts = words.split()
    months = [
        m for p in parts for m in MONTHS if p == m or (len(p) >= 3 and p == m[:3]) or (p == "sept" and m[0] == "s")
    ]
    numbers = [m[1] for p in parts if (m := _DATE_WORD.match(p))]
    extras = len(parts) - len(months) - len(numbers) - parts.count("of")
    if len(months) != 1 or not 1 <= len(numbers) <= 2 or extras:
        return ""
    return " ".join(["date", months[0], *sorted(numbers, key=len)])
