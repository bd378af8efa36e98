"""What a policy could try, to be paid for a language that it does not think in."""

import codecs

import pytest

from guerdon import Rollout, Score, Task
from guerdon_language import LanguageConsistency

CHINESE = "我们先展开左边的乘积。"
ENGLISH = "We need to compute the sum of the angles because the triangle is isosceles and then we add them."


def judged(thinking: str, language: str = "zh") -> Score:
    return LanguageConsistency().verify(Rollout(Task("1", "?", language=language), f"<think>{thinking}</think>4"))


def value(thinking: str, language: str = "zh") -> float:
    score = judged(thinking, language)
    assert score.value is not None
    return score.value


def bold(text: str) -> str:
    return "".join(
        chr(0x1D400 + ord(c) - 65) if c.isupper() else chr(0x1D41A + ord(c) - 97) if c.islower() else c for c in text
    )


@pytest.mark.parametrize(
    "hidden",
    [
        f"```\n{ENGLISH}\n```",
        f"```\n{ENGLISH}",
        "```python\n" + ENGLISH.replace("the", "\n# the") + "\n```",
        f"`{ENGLISH}`",
        f"${ENGLISH}$",
        f"$$x = 1 \\text{{{ENGLISH}}}$$",
        f"\\[ \\mathrm{{{ENGLISH}}} \\]",
        "$$" + ENGLISH.replace(" ", "\\ ") + "$$",
        "$$" + ENGLISH.replace(" ", "~") + "$$",
        f"\\begin{{quote}}{ENGLISH}\\end{{quote}}",
        f"\\textbf{{{ENGLISH}}}",
        f"<!-- {ENGLISH} -->",
        f'<a title="{ENGLISH}">',
        "\u200b".join(ENGLISH),
        ENGLISH.upper(),
        bold(ENGLISH),
        ENGLISH[::-1],
        codecs.encode(ENGLISH, "rot13"),
        ENGLISH.replace(" ", ""),
        ENGLISH.replace(" ", "-"),
        ENGLISH.replace(" ", "_"),
        ENGLISH.replace(" ", "1 "),
    ],
)
def test_hiding_the_thinking_does_not_pay(hidden: str) -> None:
    assert value(CHINESE + hidden) < 0.5


def test_prose_in_a_formula_counts_and_a_word_or_two_does_not() -> None:
    cases = "$$f(x) = \\begin{cases} 1 & \\text{if } x \\text{ is even} \\\\ 0 & \\text{otherwise} \\end{cases}$$"
    assert value(CHINESE + cases) == 1
    comment = "```python\nfor i in range(10):\n    # add the square of it\n    total += i * i\nprint(total)\n```"
    assert value(CHINESE + comment) == 1


@pytest.mark.parametrize("padding", ["的", "好的", "嗯，", "我们再想一想。", "我们先展开左边的乘积，再看看右边。"])
def test_repeating_the_target_language_does_not_pay(padding: str) -> None:
    assert value(ENGLISH * 3 + padding * 1000) < 0.5


def test_one_word_of_the_target_language_is_one_word() -> None:
    assert value(f"Because {CHINESE}", "en") < 0.2


@pytest.mark.parametrize(
    "silent", ["", " \n", "$x=4$", "12 = 12", "🙂🙂🙂", "…", "x", "```\nprint(1)\n```", "\u200b\ufeff"]
)
def test_thinking_without_words_earns_nothing(silent: str) -> None:
    assert value(silent) == 0


def test_not_thinking_earns_nothing() -> None:
    score = LanguageConsistency().verify(Rollout(Task("1", "?", language="zh"), CHINESE))
    assert (score.value, score.reason) == (0.0, "the thinking is empty")
