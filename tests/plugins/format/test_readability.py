"""Rule-based readability."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guerdon import Rollout, Score, Task
from guerdon_format import Readability

THINKING = "First we add the two numbers, then we check what came out. " * 3
CLEAN = "Adding the numbers gives\n\n$$2 + 2 = 4$$\n\nSo the answer is **4**."


def judge(answer: str, thinking: str = THINKING) -> Score:
    return Readability().verify(Rollout(Task("1", "?"), f"<think>{thinking}</think>{answer}"))


def faults(answer: str, thinking: str = THINKING) -> set[str]:
    score = judge(answer, thinking)
    assert score.value == 1 - len(score.evidence["faults"]) / 4
    return set(score.evidence["faults"])


def test_a_clean_answer_meets_everything() -> None:
    assert judge(CLEAN).value == 1
    assert judge(CLEAN).reason == "nothing to find fault with"


@pytest.mark.parametrize("answer", ["", " \n", "...", "\u200b", "$$$$", "---"])
def test_an_answer_that_says_nothing_earns_nothing(answer: str) -> None:
    assert (judge(answer).value, judge(answer).reason) == (0, "the answer is empty")


def test_an_unclosed_thinking_has_no_answer() -> None:
    assert Readability().verify(Rollout(Task("1", "?"), "<think>" + THINKING)).value == 0


def test_a_summary_is_shorter_than_the_reasoning_and_follows_it() -> None:
    assert faults(CLEAN, "Hm.") == {"summary"}
    assert faults(CLEAN, "") == {"summary"}
    assert "no reasoning" in Readability().verify(Rollout(Task("1", "?"), CLEAN)).reason


def test_a_wall_of_text_is_a_fault_and_a_list_is_none() -> None:
    long = THINKING * 50
    sentence = "Then we add the next one to what we had before. "
    assert faults(sentence * 40, long) == {"paragraphs"}
    assert faults("我们把下一个数加到前面的结果上，然后再继续。" * 40, long) == {"paragraphs"}
    assert faults((sentence + "\n\n") * 40, long) == set()
    assert faults(("- " + sentence + "\n") * 40, long) == set()
    assert faults("```\n" + "x = 1\n" * 500 + "```\nThat is all.", long) == set()


@pytest.mark.parametrize(
    "answer",
    [
        "It is ```\nx = 1\n",
        "Code:\n```python\nx = 1\n",
        "So $$x = 1",
        "So \\[x = 1 and that is it.",
        "So x = 1\\]",
        "So \\(x = \\[1\\)\\]",
        "\\begin{align} x &= 1",
    ],
)
def test_what_opens_must_close(answer: str) -> None:
    assert "closed" in faults(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "```\n\\[ $$ \\begin{a}\n```\nDone.",
        "A ~~~ b.",
        "It costs \\$5 and $x$.",
        "\\[\\begin{a} x \\\\[2pt] y \\end{a}\\] is it.",
    ],
)
def test_what_needs_no_closing_is_no_fault(answer: str) -> None:
    assert "closed" not in faults(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "The answer 是四 because 两边 are equal 我们.",
        "答案是四 because we add both sides of it 好.",
        "Ответ такой 四个苹果.",
    ],
)
def test_languages_in_one_answer_are_mixed(answer: str) -> None:
    assert faults(answer) == {"one language"}


@pytest.mark.parametrize(
    "answer",
    [
        "用Python的range函数可以得到答案，因此总共有四个苹果和三个梨。",
        "Let $\\alpha$ and θ be angles, α + θ = 90°.",
        "答えはカタカナと漢字で書きます。",
        "The formula $\\text{面积} = ab$ is used, see `面积`.",
        "4",
    ],
)
def test_terms_variables_and_formulas_are_no_mixing(answer: str) -> None:
    assert faults(answer) == set()


@settings(max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(["```", "$$", "\\[", "\\]", "\\begin{", "\\end{", "\n\n", "- a", "字", "word ", "\ud800"]),
            st.text(st.characters(exclude_categories=()), max_size=10),
        ),
        max_size=30,
    ).map("".join),
    st.text(max_size=20),
)
def test_any_text_gets_a_share_and_a_reason(answer: str, thinking: str) -> None:
    score = judge(answer, thinking)
    assert score.value in {0, 0.25, 0.5, 0.75, 1}
    assert score.reason


@pytest.mark.parametrize("piece", ["\\[", "$$", "```\n", "- a\n", "`a ", "$a", "我a", "\\begin{", "a"])
def test_a_megabyte_takes_linear_time(piece: str) -> None:
    started = time.process_time()
    judge(piece * (1_000_000 // len(piece)))
    assert time.process_time() - started < 5
