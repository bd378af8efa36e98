"""What travels: where thinking ends and the answer begins."""

import dataclasses
import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from guerdon import Rollout, Task

PLAIN = Task("t", "a prompt")
OPENED = Task("t", "a prompt\n<think>\n")
CHAT = Task("t", [{"role": "user", "content": "q"}, {"role": "assistant", "content": "<think>"}])


@pytest.mark.parametrize(
    ("completion", "thinking", "answer"),
    [
        ("", "", ""),
        ("4", "", "4"),
        ("<think>a</think>b", "a", "b"),
        ("<think></think>", "", ""),
        ("<think>\na\n</think>\nb\n", "\na\n", "\nb\n"),
        ("before<think>a</think>b", "a", "b"),
        ("a</think>b", "a", "b"),
        ("</think>b", "", "b"),
        ("<think>a", "a", ""),
        ("<think>", "", ""),
        ("b<think>a", "a", ""),
        ("<think>a</think>b<think>c</think>d", "a</think>b<think>c", "d"),
        ("<think>a</think>b<think>c", "a</think>b<think>c", ""),
        ("<think>a</think>b</think>c", "a</think>b", "c"),
        ("a</think>b<think>c", "c", ""),
        ("<think>a<think>b</think>c", "a<think>b", "c"),
        ("<THINK>a</THINK>b", "", "<THINK>a</THINK>b"),
        ("<think >a</think >b", "", "<think >a</think >b"),
        ("<think>a</thin", "a</thin", ""),
    ],
)
def test_where_thinking_ends(completion: str, thinking: str, answer: str) -> None:
    rollout = Rollout(PLAIN, completion)
    assert (rollout.thinking, rollout.answer) == (thinking, answer)


@pytest.mark.parametrize("task", [OPENED, CHAT])
@pytest.mark.parametrize(
    ("completion", "thinking", "answer"),
    [
        ("a</think>b", "a", "b"),
        ("a", "a", ""),
        ("", "", ""),
        ("</think>b", "", "b"),
        ("<think>a</think>b", "a", "b"),
        ("a</think>b</think>c", "a</think>b", "c"),
    ],
)
def test_a_prompt_that_ends_in_think_has_opened_it(task: Task, completion: str, thinking: str, answer: str) -> None:
    rollout = Rollout(task, completion)
    assert (rollout.thinking, rollout.answer) == (thinking, answer)


@pytest.mark.parametrize(
    "prompt", ["say <think> and go on", [], [{"role": "user"}], [{"role": "user", "content": None}]]
)
def test_a_prompt_that_does_not_end_in_think_has_not(prompt: object) -> None:
    rollout = Rollout(Task("t", prompt), "4")  # type: ignore[arg-type]
    assert (rollout.thinking, rollout.answer) == ("", "4")


def test_a_prefill_counts() -> None:
    for prefill in "<think>", "<think>\n", "Sure. <think>":
        rollout = Rollout(PLAIN, "a</think>b", prefill=prefill)
        assert (rollout.thinking.strip(), rollout.answer) == ("a", "b")
        assert Rollout(PLAIN, "a", prefill=prefill).answer == ""
    assert Rollout(PLAIN, "4", prefill="The answer is ").answer == "The answer is 4"
    assert Rollout(PLAIN, "b", prefill="x").text == "xb"


def test_the_parts_do_not_get_into_copies_or_comparisons() -> None:
    rollout = Rollout(PLAIN, "<think>a</think>b")
    assert rollout.answer == "b"
    assert rollout == Rollout(PLAIN, "<think>a</think>b")
    assert dataclasses.replace(rollout, completion="c").answer == "c"
    assert pickle.loads(pickle.dumps(rollout)) == rollout


PIECES = st.lists(st.sampled_from(["<think>", "</think>", "a", " ", "\n", "<thi", "nk>", "</", "\ud800", "\x00", "é"]))


@given(PIECES.map("".join), st.sampled_from(["", "<think>", "<think>\n"]), st.sampled_from([PLAIN, OPENED, CHAT]))
@example("</think>", "", OPENED)
def test_the_split_keeps_its_promises(completion: str, prefill: str, task: Task) -> None:
    rollout = Rollout(task, completion, prefill=prefill)
    text = prefill + completion
    assert rollout.text == text
    assert "<think>" not in rollout.answer
    assert "</think>" not in rollout.answer
    assert rollout.thinking in text
    assert text.endswith(rollout.answer)
    tags = "<think>" in text or "</think>" in text
    if not tags and task is PLAIN:
        assert (rollout.thinking, rollout.answer) == ("", text)
    if not tags and task is not PLAIN:
        assert (rollout.thinking, rollout.answer) == (text, "")
    if text.rfind("<think>") > text.rfind("</think>"):
        assert rollout.answer == ""
    elif "</think>" in text:
        assert rollout.answer == text[text.rfind("</think>") + len("</think>") :]


def test_a_megabyte_of_tags_is_split_in_linear_time() -> None:
    for piece in "<think>", "</think>", "<think></think>", "<":
        rollout = Rollout(PLAIN, piece * (1_000_000 // len(piece)))
        assert len(rollout.thinking) + len(rollout.answer) <= 1_000_000
