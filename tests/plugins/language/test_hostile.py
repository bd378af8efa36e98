"""Inputs that would crash, stall or confuse a careless counter."""

import os
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon import Rollout, Task
from guerdon_language import LanguageConsistency
from guerdon_language.census import census
from guerdon_language.detectors import lingua

SENTENCES = [
    "We add the two sides.",
    "把两边相加。",
    "On ajoute les deux côtés.",
    "Мы сложим обе части.",
    "両辺を足します。",
]
MARKS = [
    "$",
    "$$",
    "\\[",
    "\\]",
    "\\(",
    "\\)",
    "\\begin{a}",
    "\\end{a}",
    "```",
    "`",
    "<b c=d",
    "\\",
    "\0",
    "\ud800",
    "\n",
]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(SENTENCES),
            st.sampled_from(MARKS),
            st.text(st.characters(exclude_categories=()), max_size=30),
        ),
        max_size=25,
    ).map("".join),
    st.sampled_from(["en", "zh", "ja", "sr", "th"]),
)
def test_any_text_gets_a_share_between_nothing_and_all(text: str, language: str) -> None:
    rollout = Rollout(Task("1", "?", language=language), "<think>" + text)
    score = LanguageConsistency().verify(rollout)
    assert score.value is not None
    assert 0 <= score.value <= 1
    assert score.reason
    assert score == LanguageConsistency().verify(rollout)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=8))
def test_more_of_the_target_language_never_counts_for_less(sentences: list[str]) -> None:
    def share(parts: list[str]) -> float:
        counts = census(" ".join(parts), "en", lingua)
        return counts["en"] / counts.total()

    added = "Then we can write down what is left of it."
    assert share([*sentences, added]) >= share(sentences)


HUGE = 400_000


@pytest.mark.parametrize(
    "text",
    [
        "a" * HUGE,
        "a-" * (HUGE // 2),
        "$" * HUGE,
        "\\[" * (HUGE // 2),
        "\\begin{a}" * (HUGE // 9),
        "```\n" * (HUGE // 4),
        "<a b=c " * (HUGE // 7),
        "a." * (HUGE // 2),
        "e" + "\u0301\u0323" * (HUGE // 2),
        "龘" * (HUGE // 3),
        "\ud800\0" * (HUGE // 2),
        "qzx wvu tsr ponm. " * (HUGE // 18),
    ],
    ids=lambda text: repr(text[:10]),
)
def test_a_huge_text_is_judged_in_seconds(text: str) -> None:
    started = time.process_time()
    census(text, "en", lingua)
    assert time.process_time() - started < 8


def test_every_process_says_the_same() -> None:
    code = (
        "from guerdon_language.census import census\n"
        "from guerdon_language.detectors import DETECTORS\n"
        "text = 'Kuva ukuthi isamba samakhona. We add them et nous avons fini. Sumar los dos lados. 把两边相加。' * 3\n"
        "print([sorted(census(text, 'en', DETECTORS[d]).items()) for d in ('lingua', 'langdetect')])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(said) == 1


def test_the_plugin_is_light_to_import() -> None:
    code = "import sys, guerdon_language; print([m for m in ('jieba', 'lingua', 'langdetect') if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert said.stdout.strip() == "[]"
