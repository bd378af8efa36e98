"""The tokenizer of a policy that starts from nothing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from guerdon_local.tokenizer import PRINTABLE, TAGS, build, unknown_text

WORDS = (*PRINTABLE, "\\boxed{", " so ", "所以", "so", "a+b", "(?:", "]\\", "  ", "\n\n")
PLAIN = build(PRINTABLE)
MANY = build(WORDS)


@given(st.lists(st.sampled_from([*WORDS, *TAGS])).map("".join))
def test_decoding_gives_back_what_was_encoded(text: str) -> None:
    assert MANY.decode(MANY.encode(text, add_special_tokens=False)) == text
    assert MANY.decode(MANY.encode(text), skip_special_tokens=True) == text


@given(st.text(alphabet=st.sampled_from(PRINTABLE)))
def test_printable_ascii_is_one_token_a_character(text: str) -> None:
    ids = PLAIN.encode(text, add_special_tokens=False)
    assert len(ids) == len(text) - sum(text.count(tag) * (len(tag) - 1) for tag in TAGS)
    assert unknown_text(PLAIN, text) is None


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_is_one_token_that_decoding_keeps(tag: str) -> None:
    (number,) = PLAIN.encode(tag, add_special_tokens=False)
    assert PLAIN.decode([number, PLAIN.eos_token_id, PLAIN.pad_token_id], skip_special_tokens=True) == tag


def test_the_longest_piece_wins() -> None:
    assert MANY.tokenize("\\boxed{so so so}") == ["\\boxed{", "so", " so ", "so", "}"]


def test_a_text_begins_with_the_token_that_begins_texts() -> None:
    assert PLAIN.encode("1")[0] == PLAIN.bos_token_id
    assert PLAIN.encode("") == [PLAIN.bos_token_id]


@pytest.mark.parametrize(
    ("text", "piece"), [("1+é=2", "é"), ("日本", "日本"), ("a\tb", "\t"), ("ok", None), ("", None)]
)
def test_what_cannot_be_read_is_named(text: str, piece: str | None) -> None:
    assert unknown_text(PLAIN, text) == piece


def test_what_cannot_be_read_is_not_lost_silently() -> None:
    assert PLAIN.decode(PLAIN.encode("1é2"), skip_special_tokens=True) == "1<｜unknown｜>2"


def test_transformers_reads_the_same_tokenizer_from_its_files(tmp_path: Path) -> None:
    MANY.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    text = "".join(WORDS) + "".join(TAGS) + "\\boxed{12} so 所以\n\n\n"
    assert again.encode(text) == MANY.encode(text)
    assert again.decode(again.encode(text), skip_special_tokens=True) == text
    assert (again.pad_token, again.eos_token, again.padding_side) == (MANY.pad_token, MANY.eos_token, "left")
    assert unknown_text(again, "1é2") == "é"
