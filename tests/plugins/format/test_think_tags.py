"""The R1 format: what has it, what lacks it, and what the reason says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon import Rollout, Task
from guerdon_format import ThinkTags

TASK = Task("1", "What is 2 + 2?")
GOOD = "<think>2 and 2 make 4.</think>\n<answer>4</answer>\n"


def judge(
    completion: str, *, answer_tags: bool = True, prefill: str = "", prompt: str = "?"
) -> tuple[float | None, str]:
    rollout = Rollout(Task("1", prompt), completion, prefill=prefill)
    score = ThinkTags(answer_tags=answer_tags).verify(rollout)
    return score.value, score.reason


@pytest.mark.parametrize(
    "completion", [GOOD, " \n" + GOOD, "<think>a</think><answer>∅</answer>", GOOD.replace("4.", "4 < 5")]
)
def test_each_tag_once_in_order_with_nothing_outside_earns_one(completion: str) -> None:
    assert judge(completion)[0] == 1


@pytest.mark.parametrize(
    ("completion", "fault"),
    [
        ("", "<think> is missing"),
        ("4", "<think> is missing"),
        ("<think>a", "</think> is missing"),
        ("<think>a</think>", "<answer> is missing"),
        ("<think>a</think>4", "<answer> is missing"),
        ("<think>a</think><answer>4", "</answer> is missing"),
        ("<think></think><answer>4</answer>", "the thinking at character 7 is empty"),
        ("<think> \n\u200b\u3164</think><answer>4</answer>", "the thinking at character 7 is empty"),
        ("<think>...</think><answer>4</answer>", "the thinking at character 7 has no letter and no digit"),
        ("<think>a</think><answer> </answer>", "the answer at character 24 is empty"),
        ("So: <think>a</think><answer>4</answer>", "text outside the tags at character 0"),
        ("<think>a</think> so <answer>4</answer>", "text outside the tags at character 17"),
        ("<think>a</think><answer>4</answer> Done", "text outside the tags at character 35"),
        (
            "<think>a<think>b</think></think><answer>4</answer>",
            "<think> at character 8, where </think> should come first",
        ),
        ("<think>a</think><answer>4</answer><answer>5</answer>", "<answer> at character 34 is one tag too many"),
        ("<answer>4</answer><think>a</think>", "<answer> at character 0, where <think> should come first"),
        ("<think><answer>4</answer></think>", "<answer> at character 7, where </think> should come first"),
        ("<THINK>a</THINK><answer>4</answer>", "<THINK> at character 0, where <think> should come first"),
        ("<think>a< /think></think><answer>4</answer>", "< /think> at character 8, where </think> should come first"),
        ("<think>a</think><answer>4<answer/></answer>", "<answer/> at character 25, where </answer> should come first"),
    ],
)
def test_the_first_fault_is_named_with_its_place(completion: str, fault: str) -> None:
    assert judge(completion) == (0, fault)


def test_without_answer_tags_the_answer_is_what_follows_the_thinking() -> None:
    assert judge("<think>a</think>4", answer_tags=False)[0] == 1
    assert judge("<think>a</think><answer>4</answer>", answer_tags=False)[0] == 1
    assert judge("<think>a</think> \n", answer_tags=False) == (0, "the answer at character 16 is empty")
    assert judge("<think>a</think>4</think>", answer_tags=False)[0] == 0


@pytest.mark.parametrize("answer_tags", [True, False])
def test_an_opening_tag_that_the_template_wrote_counts(answer_tags: bool) -> None:
    rest = "a</think><answer>4</answer>"
    assert judge(rest, prefill="<think>\n", answer_tags=answer_tags)[0] == 1
    assert judge(rest, prefill="Let me think.\n<think>\n", answer_tags=answer_tags)[0] == 1
    assert judge(rest, prompt="What is 2 + 2?\n<think>\n", answer_tags=answer_tags)[0] == 1
    assert judge(rest, prompt="What is 2 + 2?\n<think>\n", prefill="<think>\n", answer_tags=answer_tags)[0] == 1
    assert judge(rest, answer_tags=answer_tags)[0] == 1


def test_a_second_opening_tag_after_the_template_s_is_one_too_many() -> None:
    assert judge(GOOD, prefill="<think>\n") == (0, "<think> at character 0, where </think> should come first")
    assert judge(GOOD, prompt="?<think>") == (0, "<think> at character 0, where </think> should come first")


@pytest.mark.parametrize("answer_tags", [True, False])
@pytest.mark.parametrize("prompt", ["?", "?\n<think>\n"])
def test_the_canonical_completion_earns_one(answer_tags: bool, prompt: str) -> None:
    task = Task("1", prompt)
    reward = ThinkTags(answer_tags=answer_tags)
    assert reward.verify(Rollout(task, reward.canonical(task))).value == 1


PARTS = st.lists(
    st.one_of(
        st.sampled_from(["<think>", "</think>", "<answer>", "</answer>", "<think", ">", "\n", "\ud800", "\0", "x"]),
        st.text(st.characters(exclude_categories=()), max_size=5),
    ),
    max_size=12,
).map("".join)


@given(PARTS, st.sampled_from(["", "<think>\n", "a", "<think></think>"]), st.booleans())
def test_any_text_gets_nought_or_one_and_a_reason(text: str, prefill: str, answer_tags: bool) -> None:
    value, reason = judge(text, prefill=prefill, answer_tags=answer_tags)
    assert value in {0, 1}
    assert reason


@given(PARTS)
def test_one_more_tag_never_keeps_the_format(text: str) -> None:
    if judge(text)[0] == 1:
        for tag in ("<think>", "</think>", "<answer>", "</answer>"):
            assert judge(text + tag)[0] == 0
            assert judge(tag + text)[0] == (1 if tag == "<think>" and "<think>" not in text else 0)
