"""The n-gram repetition penalty."""

import gzip
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from guerdon import Rollout, Score, Task
from guerdon_format import Repetition

OUTPUTS = Path(__file__).parents[2] / "corpora" / "outputs" / "math_groups.jsonl.gz"


def judge(completion: str, ngram_size: int = 3, max_penalty: float = -1.0) -> Score:
    return Repetition(ngram_size=ngram_size, max_penalty=max_penalty).verify(Rollout(Task("1", "?"), completion))


def value(completion: str, ngram_size: int = 3) -> float:
    found = judge(completion, ngram_size).value
    assert found is not None
    return found


def test_the_share_of_repeated_ngrams_is_the_penalty() -> None:
    # a b c, b c a, c a b, a b c: one of four was there before.
    assert value("a b c a b c") == -0.25
    assert judge("a b c a b c", max_penalty=-2.0).value == -0.5
    assert judge("a b c a b c").reason == "1 of 4 3-grams of words were there before"


def test_text_without_repetition_and_text_too_short_for_it_go_free() -> None:
    assert value("one two three four five") == 0
    assert judge("one two").reason == "fewer than 3 words"
    assert value("") == 0


def test_case_punctuation_and_invisible_characters_hide_nothing() -> None:
    assert value("We add. We add, WE ADD; we\u200b add! We ad\u00add") == value("we add " * 5)


@pytest.mark.parametrize(
    "loop",
    [
        "我们再试一次。",
        "もう一度試します。",
        "ลองอีกครั้ง",
        "Try again. ",
        "ha",
        "!!!",
        "🙂",
        "= ",
        "\n- \n",
        "Ещё раз. ",
        "x" * 50,
    ],
)
def test_loops_are_punished_in_every_script(loop: str) -> None:
    assert value(loop * 200, ngram_size=20) < -0.8


def test_chinese_prose_is_not_punished() -> None:
    text = "我们先展开左边的乘积,再把两边同时除以二。因为函数是偶函数,只需要考虑正数的情形。最后代入原来的方程检验。"
    assert value(text, ngram_size=5) == 0


def test_real_solutions_go_free_at_the_default_size() -> None:
    with gzip.open(OUTPUTS, "rt", encoding="utf-8") as lines:
        found = [value(json.loads(line)["completion"], 20) for i, line in enumerate(lines) if i % 8 == 0]
    assert median(found) == 0
    assert mean(found) > -0.05
    assert min(found) < -0.5  # some of them are loops, and are caught


@given(st.text(st.characters(exclude_categories=()), max_size=200), st.integers(1, 40))
def test_any_text_gets_between_the_whole_penalty_and_none(text: str, ngram_size: int) -> None:
    assert -1 <= value(text, ngram_size) <= 0
    assert judge(text, ngram_size) == judge(text, ngram_size)


@given(st.lists(st.sampled_from(["add", "two", "和", "и", "three"]), min_size=8, max_size=30), st.integers(2, 5))
def test_more_rounds_are_never_cheaper(words: list[str], rounds: int) -> None:
    text = " ".join(words) + " "
    assert value(text * (rounds + 1)) <= value(text * rounds) + 1e-12


def test_the_rolling_hash_counts_what_a_plain_count_counts() -> None:
    dice = random.Random(0)
    for size in (1, 2, 3, 7):
        words = [dice.choice("abc") for _ in range(300)]
        grams = [tuple(words[i : i + size]) for i in range(len(words) - size + 1)]
        assert value(" ".join(words), size) == -(len(grams) - len(set(grams))) / len(grams)


def test_every_process_says_the_same() -> None:
    code = (
        "from guerdon import Rollout, Task; from guerdon_format import Repetition\n"
        "print(Repetition(ngram_size=2).verify(Rollout(Task('1', '?'), 'a b a b c 我们我们')))"
    )
    said = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(2)}
    assert len(said) == 1


@pytest.mark.parametrize("text", ["a" * 1_000_000, "a " * 500_000, "我" * 300_000, "\ud800" * 1_000_000])
def test_a_megabyte_takes_linear_time(text: str) -> None:
    started = time.process_time()
    value(text, 20)
    assert time.process_time() - started < 8


def test_a_positive_penalty_is_refused() -> None:
    with pytest.raises(ValidationError):
        Repetition(max_penalty=0.5)
