"""Finding the final answer in a text."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon import Score
from guerdon_math.boxed import last_boxed


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (r"so \boxed{5}.", "5"),
        (r"\boxed{4}, no: \boxed{5}", "5"),
        (r"% \boxed{42}" + "\n" + r"\boxed{41}", "41"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"\boxed{\left\{ x \right\}}", r"\left\{ x \right\}"),
        (r"\boxed {5}", "5"),
        (r"\fbox{5}", "5"),
        (r"\boxed 5", "5"),
        (r"\boxed{\boxed{5}}", r"\boxed{5}"),
        (r"\boxed{x=\boxed{5}}", r"x=\boxed{5}"),
        (r"{ { \boxed{5} and }", "5"),
        (r"\left(\left(\boxed{5}", "5"),
        (r"\boxed{5} as we said: write \boxed", "5"),
        (r"\boxed{1}, \boxed{2}", "1, 2"),
        (r"$\boxed{1}$ and $\boxed{2}$", "1, 2"),
        (r"\boxed{1} or \boxed{2}", "1 or 2"),
        (r"\(\boxed{1}\) or maybe \(\boxed{2}\)", "1 or 2"),
        (r"\boxed{1}" + "\n\n" + r"\boxed{2}", "2"),
        (r"\boxed{5} \boxed{5}", "5"),
        (r"\boxed{1} apples cost \boxed{2}", "2"),
        (r"\boxed{1}\\ \boxed{\\}", r"\\"),
    ],
)
def test_the_last_box_counts(text: str, content: str) -> None:
    assert last_boxed(text).content == content


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no"),
        ("boxed{42}", "no"),
        (r"\boxedsomething{42}", "no"),
        (r"\boxed", "no"),
        (r"\boxed{42", "never closed"),
        (r"\boxed{42\}", "never closed"),
        (r"\boxed{41} so \boxed{42", "never closed"),
        (r"\boxed{}", "empty"),
        (r"\boxed{41} \boxed{ }", "empty"),
    ],
)
def test_no_box_no_answer(text: str, problem: str) -> None:
    found = last_boxed(text)
    assert found.content is None
    assert problem in found.problem


MEGABYTES = [
    "{" * 1_000_000,
    "}" * 1_000_000,
    r"\boxed " * 140_000,
    r"\boxed{" * 140_000,
    r"\boxed{1}" * 110_000,
    "\\" * 1_000_000,
    r"\boxed{1} or " * 70_000,
    r"\boxed" + " " * 1_000_000,
    "中" * 1_000_000 + r"\boxed{12}",
    "$ " * 500_000,
]


def test_a_megabyte_is_read_within_the_budget(
    judged_by_workers: Callable[[Mapping[str, tuple[str, str]]], dict[str, Score]],
) -> None:
    shapes = [shape for text in MEGABYTES for shape in (text, text + r"\boxed{5}", r"\boxed{" + text + "}")]
    scores = judged_by_workers({str(number): ("7", shape) for number, shape in enumerate(shapes)})
    assert [score.reason for score in scores.values() if "ground_truth" not in score.evidence] == []


@given(st.text("\\boxed{}fbox 12or,$", max_size=60))
def test_any_text_has_a_box_or_a_problem(text: str) -> None:
    found = last_boxed(text)
    assert (found.content is None) == bool(found.problem)


@given(st.text(max_size=40).filter(lambda t: not any(c in t for c in "{}\\") and t.strip()), st.text(max_size=40))
def test_what_is_boxed_last_is_found(content: str, before: str) -> None:
    assert last_boxed(before.replace("\\", "/") + " so: \\boxed{" + content + "}").content == content.strip()
