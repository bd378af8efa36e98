"""Words of second thoughts."""

import time

import pytest

from guerdon_local.reflection import reflection_words


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("Wait, that is wrong. However, let me check.", 4),
        ("WAIT... wait", 2),
        ("waiter, butter, error-prone, checks, rechecking, unmistakeable, terrors", 1),  # error-prone
        ("début", 0),
        ("but_not_this but this", 1),
        ("等等，这里不对。让我检查一下。", 3),
        ("所以wait，我再试一次", 2),
        ("錯誤！重試", 2),
        ("evaluate verify retry mistake", 4),
    ],
)
def test_they_are_counted_as_words_and_in_chinese_as_parts(text: str, count: int) -> None:
    assert reflection_words(text) == count


def test_a_long_completion_takes_no_time() -> None:
    for text in ("wai" * 300_000, "等" * 1_000_000, "wait " * 200_000, "e" * 1_000_000):
        began = time.process_time()
        reflection_words(text)
        assert time.process_time() - began < 2
