"""Text to tokens: LaTeX, plain and Unicode spellings of one thing become one token."""

import re
from fractions import Fraction
from typing import NamedTuple

from guerdon_math.limits import MAX_CHARS, MAX_TOKENS, NotMath, Undecided
from guerdon_math.reading.brackets import peeled
from guerdon_math.reading.charset import to_ascii
from guerdon_math.reading.numerals import HAN_NUMERAL, from_han
from guerdon_math.reading.vocabulary import (
    ALIASES,
    DROPPED,
    DROPPED_WITH_ARGUMENT,
    FUNCTIONS,
    ITALIC_COMMANDS,
    LOUD_WORDS,
    OPERANDS,
    SHORT_WORDS,
    SPACES,
    TEXT_COMMANDS,
)
from guerdon_math.units import SYMBOLS, UNITS

_NAMED = {"pi": "pi", "inf": "infty", "infinity": "infty", "oo": "infty", "Infinity": "infty", "tau": "tau"}
_NAMED |= {g: g for g in ("theta", "alpha", "beta", "gamma", "lambda", "omega", "phi")}
_TOKEN = re.compile(
    r"\\([A-Za-z]+\*?|.)|(\d+(?:\.\d+)?(?:[eE][-+]?\d+(?![\w^]))?|\.\d+)|([A-Za-z]+)|(\s+)|"
    r"(<=|>=|=<|!=|==|<>|:=|->|\*\*|\.\.\.+|[ -~])|([^\W\d_A-Za-z](?:[^\W\d_A-Za-z]|"
    # vowel signs and tone marks: combining accents, Arabic, the scripts of India, Thai
    r"[\u0300-\u036f\u064b-\u0652\u0900-\u0903\u093a-\u094f\u0981-\u0983\u09bc-\u09cd\u0bbe-\u0bcd"
    r"\u0c3e-\u0c4d\u0e31\u0e34-\u0e3a\u0e47-\u0e4e])*)|(.)",
    re.S,
)
_BASED = re.compile(r"\d+[A-Z][0-9A-Z]*(?=\}?_)")
_COMMA = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?(?!\d|,\d)")
_COMMA_TIGHT = re.compile(r"[1-9]\d{0,2}(?:,\s*\\!\s*\d{3})+(?:\.\d+)?(?!\d)")
_THIN = re.compile(r"[1-9]\d{0,2}(?:(?:\\[,:;! ]|\{,\}(?:\\!)?|\{\\,\}|[ ~])\d{3})+(?:\.\d+)?(?![\d,]\d|\d)")
_COMMA_DECIMAL = re.compile(r"(\d+)\{,\}(\d+)")
_RECURRING = re.compile(r"(\d*)\.(\d*)(?:\\(?:overline|bar|dot)\s*\{?(\d+)\}?|\((\d+)\))(?!\d)")
_DOTTED = re.compile(r"(\d*)\.(\d*)\\dot\{?(\d)\}?(\d*)\\dot\{?(\d)\}?")
_ELLIPSIS = re.compile(r"(\d*)\.(\d{3,80})(?:\\[lc]?dots(?![A-Za-z])|\.\.\.+)")
_ENVIRONMENT = re.compile(r"\s*\{([A-Za-z]+)\*?\}")
_COLUMNS = re.compile(r"\s*\{[lcr|@{}\s]{0,40}?\}(?!\s*&)")
_ARGUMENT = re.compile(r"\s*\{[^{}]{0,100}\}")
_DEGREE = re.compile(
    r"\^ ?(?:\{ ?\\(?:circ|degree) ?\}|\\(?:circ|degree)(?![A-Za-z])|"
    r"\{?\\(?:text|mathrm|rm) ?\{? ?o ?\}\}?|\{o\}|o(?![A-Za-z]))"
)
_STRAY_STOP = re.compile(r"\.\s*(?:\\right)?\s*[\])},]")
_NOT = re.compile(r"\\not\s*(?:=|\\in(?![A-Za-z])|\\equiv)")
_ESCAPED_TWICE = re.compile(
    r"\\\\(?=(?:[dt]?frac|left|right|sqrt|le|ge|leq|geq|lt|gt|pi|text|infty|cup|cdot|times|in|ne|neq|circ|theta|pm)"
    r"(?![A-Za-z]))"
)
_BRACED_SIGN = re.compile(r"(?<![\^_])\{([=:<>])\}")
_DIGITS_MAX = 400


class Token(NamedTuple):
    """n: number, l: letter, u: upright letter, w: word, c: command, p: punctuation, b, e: begin and end of a matrix."""

    kind: str
    text: str
    spaced: bool = False
    value: Fraction | None = None


def ambiguous(text: str) -> bool:
    """Whether a comma may be read in two ways: between thousands or between items."""
    return _COMMA.search(text) is not None


def lex(text: str, grouped: bool | None = None) -> list[Token]:
    """The tokens of an answer.

    `grouped`: whether 1,234 is one number; by default outside brackets only.

    Raises:
        Undecided: the text is too long.
        NotMath: it holds a character that no mathematics holds.
    """
    text = peeled(" ".join(to_ascii(text).split()))
    if len(text) > MAX_CHARS:
        raise Undecided(f"{len(text):,} characters")
    if "\\begin" not in text:
        text = _ESCAPED_TWICE.sub(lambda _: "\\", text)
    text = text.replace(r"\lbrack", "[").replace(r"\rbrack", "]").replace(r"^{\prime}", "'")
    return _Lexer(_BRACED_SIGN.sub(r" \1 ", text), grouped).run()


class _Lexer:
    def __init__(self, text: str, grouped: bool | None) -> None:
        self.text = text
        self.grouped = grouped
        self.out: list[Token] = []
        self.spaced = False
        self.depth = 0
        self.upright = 0
        self.braces: list[str] = []

    def emit(self, kind: str, text: str, value: Fraction | None = None) -> None:
        self.out.append(Token(kind, text, self.spaced, value))
        self.spaced = False
        if len(self.out) > MAX_TOKENS:
            raise Undecided(f"more than {MAX_TOKENS:,} symbols")

    def run(self) -> list[Token]:
        text, at, end = self.text, 0, len(self.text)
        match = _TOKEN.match
        while at < end:
            m = match(text, at)
            assert m is not None
            group, found = m.lastindex, m[0]
            if group == 2:
                at = self.number(at, m)
            elif group == 1:
                at = self.command(m[1].rstrip("*") or "*", m.end(), at)
            else:
                if group == 3:
                    self.letters(found)
                elif group == 4:
                    self.spaced = True
                elif group == 5:
                    at = self.punctuation(found, at, m.end())
                    continue
                elif group == 6:
                    self.script(found)
                else:
                    raise NotMath(f"unreadable character {found!r}")
                at = m.end()
        if self.braces:
            raise NotMath("unbalanced braces")
        return self.out

    def number(self, at: int, m: re.Match[str]) -> int:
        text, found = self.text, m[0]
        if (mixed := _BASED.match(text, at)) is not None:
            self.emit("l", mixed[0])
            return mixed.end()
        end = m.end()
        following = text[end : end + 1]
        if following in ",\\{ ~" and following:
            grouped = self.grouped if self.grouped is not None else self.depth == 0
            group = _COMMA_TIGHT.match(text, at) or _THIN.match(text, at)
            if group is None and grouped and following == ",":
                group = _COMMA.match(text, at) if text[at - 1 : at] != "," else None
            if group is not None and not (self.out and self.out[-1].kind == "n" and self.spaced):
                whole = re.sub(r"\\[,:;! ]|[^\d.]", "", group[0])
                self.emit("n", whole, _decimal(whole))
                return group.end()
            if (m2 := _COMMA_DECIMAL.match(text, at)) is not None:
                self.emit("n", f"{m2[1]}.{m2[2]}", _decimal(f"{m2[1]}.{m2[2]}"))
                return m2.end()
        if following in (".", "\\", "(") and following:
            recurring = self.recurring(at)
            if recurring:
                return recurring
        self.emit("n", found, _decimal(found))
        return end

    def recurring(self, at: int) -> int:
        """The end of a recurring decimal that starts here: 0.\\overline{3}, 0.(3), 0.333\\ldots; 0 if there is none."""
        if (m := _DOTTED.match(self.text, at)) is not None:
            fixed, cycle = m[2], m[3] + m[4] + m[5]
        elif (m := _RECURRING.match(self.text, at)) is not None:
            if m[4] and m[2] and (at or m.end() < len(self.text)):
                return 0  # 0.5(3) inside an expression is a product
            fixed, cycle = m[2], m[3] or m[4]
        elif (m := _ELLIPSIS.match(self.text, at)) is not None:
            period = next((p for p in range(1, 13) if _repeats(m[2], p)), 0)
            if not period:
                return 0
            fixed, cycle = m[2], m[2][-period:]
        else:
            return 0
        if len(fixed) + len(cycle) + len(m[1]) > _DIGITS_MAX:
            raise Undecided("a long recurring decimal")
        scale = 10 ** len(fixed)
        value = Fraction(int(m[1] + fixed or "0"), scale) + Fraction(int(cycle), scale * (10 ** len(cycle) - 1))
        self.emit("n", m[0], value)
        return m.end()

    def command(self, name: str, end: int, at: int) -> int:
        name = ALIASES.get(name, name)
        if name in TEXT_COMMANDS:
            return self.open_text(name, end)
        if name in DROPPED:
            self.spaced = self.spaced or name in SPACES
            if name in ("left", "right") and self.text[end : end + 1] == ".":
                return end + 1
            return end
        if name in DROPPED_WITH_ARGUMENT:
            argument = _ARGUMENT.match(self.text, end)
            return argument.end() if argument else end
        if name in ("begin", "end"):
            m = _ENVIRONMENT.match(self.text, end)
            if m is None:
                raise NotMath("\\begin without a name")
            end = m.end()
            if name == "begin" and m[1] in ("array", "tabular") and (columns := _COLUMNS.match(self.text, end)):
                end = columns.end()
            self.depth += 1 if name == "begin" else -1
            self.emit(name[0], m[1])
            return end
        if name == "not" and (m := _NOT.match(self.text, at)):
            self.emit("c", {"=": "ne"}.get(m[0][-1], "notin" if m[0].endswith("in") else "notequiv"))
            return m.end()
        if name in "<>:%'|" or name in ("(", ")"):
            self.emit("p", name)
        elif name in FUNCTIONS or len(name) > 1:
            self.emit("c", name)
        elif name in "{}":
            self.depth += 1 if name == "{" else -1
            self.emit("p", "\\" + name)
        elif name == "$":
            self.emit("p", name)
        elif name in "#&_":
            self.emit("w", name)
        elif name == "\\":
            self.emit("p", "\\\\")
        elif name.isalpha():
            self.emit("l", name)
        else:
            raise NotMath(f"unreadable command \\{name}")
        return end

    def open_text(self, name: str, end: int) -> int:
        while self.text[end : end + 1].isspace():
            end += 1
        if self.text[end : end + 1] != "{":
            return end
        # \frac\text{a}b and x_\text{max} need the braces, \text{ cm}^2 must not have them
        needed = bool(self.out) and (
            self.out[-1].text in ("_", "^") or self.out[-1].text in ("frac", "overline", "sqrt")
        )
        if name in ITALIC_COMMANDS:
            self.braces.append("{" if needed else "")
        else:
            self.upright += 1
            self.braces.append("T" if needed else "t")
            self.spaced = True
        if needed:
            self.emit("p", "{")
        return end + 1

    def punctuation(self, found: str, at: int, end: int) -> int:
        if found == "{":
            self.braces.append("{")
            self.emit("p", "{")
        elif found == "}":
            if not self.braces:
                raise NotMath("unbalanced braces")
            kind = self.braces.pop()
            if kind in "tT" and kind:
                self.upright -= 1
            if kind in "{T" and kind:
                self.emit("p", "}")
            elif kind == "t":
                self.spaced = True
        elif found == "^" and (m := _DEGREE.match(self.text, at)):
            self.emit("c", "degree")
            return m.end()
        elif found == "~":
            self.spaced = True
        elif found == "$":
            # \$ is money, $ only says that mathematics begins or ends here
            pass
        else:
            if found in "([":
                self.depth += 1
            elif found in ")]":
                self.depth -= 1
            elif found.startswith("..."):
                self.emit("c", "ldots")
                return end
            elif found == ".":
                if number := self.recurring(at):
                    return number
                if _STRAY_STOP.match(self.text, at):
                    return end
            self.emit("p", found)
        return end

    def letters(self, run: str) -> None:
        """A run of letters: one variable, a function, a word, a name in capitals, or a product of variables."""
        last = self.out[-1] if self.out else None
        if last and last.kind == "n" and run in ("th", "st", "nd", "rd") and not (self.spaced and not self.upright):
            self.spaced = False  # 18th is 18
        elif len(run) == 1:
            self.emit("u" if self.upright else "l", run)
        elif run in FUNCTIONS and not (run == "min" and last and last.kind == "n"):
            self.emit("c", ALIASES.get(run, run))
        elif run in _NAMED:
            self.emit("c", _NAMED[run])
        elif run in SYMBOLS and last and last.kind in "nw":
            self.emit("w", run)
        elif run.isupper() and len(run) <= 6 and run not in LOUD_WORDS:
            self.emit("l", run)
        elif run in OPERANDS and not self.upright and last and self.wants_operand(last):
            for letter in run:  # ax + by
                self.emit("l", letter)
        elif (
            self.upright or run.lower() in SHORT_WORDS or (last and last.kind == "w" and self.spaced and run.islower())
        ):
            self.emit("w", run)
        elif len(run) <= 3 and (run.islower() or run[1:].islower()) and run not in ("Yes", "Max", "Min", "Sum"):
            for letter in run:
                self.emit("l", letter)
        else:
            self.emit("w", run)

    def wants_operand(self, last: Token) -> bool:
        """Whether no preposition can follow: after a sign, or right behind a number."""
        return last.text in ("+", "-", "*", "/", "=", "<", ">") or (last.kind == "n" and not self.spaced)

    def script(self, run: str) -> None:
        """A run of letters of another script: numerals and units are told apart from words."""
        at = 0
        while at < len(run):
            m = HAN_NUMERAL.match(run, at)
            value = from_han(m[0]) if m is not None and not run.startswith(("分钟", "千米", "千克"), at) else None
            if m is not None and value is not None and (at == 0 or run[m.end() :] in ("", *UNITS)):
                self.emit("n", m[0], value)
                at = m.end()
                continue
            end = len(run)
            for word in ("或者", "以及", "或", "和"):
                where = run.find(word, at)
                if where == at:
                    end = at + len(word)
                    break
                if where > at:
                    end = min(end, where)
            self.emit("w", run[at:end])
            at = end


def _decimal(text: str) -> Fraction:
    if len(text) > _DIGITS_MAX:
        if len(text) > MAX_CHARS // 2:
            raise Undecided(f"a number of {len(text):,} digits")
        if "." in text:
            raise Undecided("a long decimal")
        return Fraction(int(text)) if len(text) < 4300 else _refuse(text)
    if "e" in text or "E" in text:
        mantissa, _, exponent = text.lower().partition("e")
        if len(exponent) > 5:
            raise Undecided("a huge exponent")
        shift = int(exponent)
        base = Fraction(mantissa)
        if abs(shift) > 4000:
            raise Undecided("a huge exponent")
        return base * Fraction(10) ** shift
    return Fraction(text) if "." in text else Fraction(int(text))


def _refuse(text: str) -> Fraction:
    raise Undecided(f"a number of {len(text):,} digits")


def _repeats(digits: str, period: int) -> bool:
    """Whether the digits end in the same cycle three times over (twice, if the cycle is longer than two digits)."""
    times = 3 if period <= 2 else 2
    cycle = digits[-period:]
    return len(digits) >= period * times and digits.endswith(cycle * times)
