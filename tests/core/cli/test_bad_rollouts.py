"""Files of rollouts that will not do: a clear error, and nothing lost."""

import gzip
import json

import pytest

GOOD = json.dumps({"prompt": "p", "completion": "xx"})


@pytest.fixture
def at(place):
    place.write("mix.toml", '[rewards.length]\nuse = "slow"\n')
    return place


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("none.jsonl", None, "does not exist"),
        ("empty.jsonl", b"", "is empty"),
        ("blank.jsonl", b"\n\n", "holds no rows"),
        ("rollouts.txt", b"{}", "has no suffix that says what it is"),
        ("latin.jsonl", '{"prompt": "é", "completion": "x"}'.encode("latin-1"), "latin.jsonl:1: is not UTF-8"),
        ("broken.jsonl", b'{"prompt": "p", "completion": ', "broken.jsonl:1: is no JSON"),
        ("number.jsonl", b"3\n", "number.jsonl:1: is a number, not an object"),
        ("column.jsonl", b'{"prompt": "p", "response": "x"}', "column.jsonl:1: has no column 'completion'"),
        ("typed.jsonl", b'{"prompt": "p", "completion": 3}', "typed.jsonl:1: completion is 3; it must be text"),
        ("torn.jsonl.gz", gzip.compress(GOOD.encode() * 100)[:-12], "torn.jsonl.gz"),
        ("no.parquet", b"PAR1 and no more", "is not a Parquet file"),
    ],
)
def test_a_file_that_will_not_do_is_one_clear_error(at, name, data, said):
    if data is not None:
        (at / name).write_bytes(data)
    assert said in at.complaint("score", "mix.toml", name, "--out", "scored.jsonl")
    assert not (at / "scored.jsonl").exists()


def test_a_missing_column_is_suggested(at):
    at.rollouts([{"prompt": "p", "response": "x"}])
    assert "--map completion=response" in at.complaint("score", "mix.toml", "rollouts.jsonl")


def test_bad_lines_are_all_counted_and_the_first_ones_named(at):
    at.write(
        "rollouts.jsonl",
        "\n".join([GOOD, "{", GOOD, '{"prompt": 3}', *["["] * 20, *["[" * n for n in range(2, 22)], GOOD]) + "\n",
    )
    complaint = at.complaint("score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl")
    assert "rollouts.jsonl: 42 lines are no rollouts; leave them out with --skip-bad-lines" in complaint
    assert "rollouts.jsonl:2: is no JSON" in complaint
    assert "rollouts.jsonl:4: " in complaint
    assert "and 13 more\n" in complaint
    assert not (at / "scored.jsonl").exists()


def test_bad_lines_are_left_out_on_request_and_still_named(at):
    at.write("rollouts.jsonl", "\n".join([GOOD, "{", "", GOOD, '{"prompt": 3}']) + "\n")
    ended = at.guerdon("score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl", "--skip-bad-lines")
    assert ended.returncode == 0
    assert "2 bad lines are left out" in ended.stderr
    assert "rollouts.jsonl:2: is no JSON" in ended.stderr
    assert "rollouts.jsonl:5: " in ended.stderr
    assert len(at.rows("scored.jsonl")) == 2


def test_nothing_but_bad_lines_is_an_error_in_any_case(at):
    at.write("rollouts.jsonl", "{\n[\n")
    complaint = at.complaint("score", "mix.toml", "rollouts.jsonl", "--skip-bad-lines")
    assert "none is left to be scored" in complaint


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("completion", "is not of the form OURS=THEIRS"),
        ("complation=x", "did you mean 'completion'?"),
        ("response=completion", "guerdon's own name comes first: --map completion=response"),
        ("completion=nowhere", "has no column 'nowhere'"),
    ],
)
def test_a_mapping_that_will_not_do_is_one_clear_error(at, pair, said):
    at.rollouts([{"prompt": "p", "completion": "x"}])
    assert said in at.complaint("score", "mix.toml", "rollouts.jsonl", "--map", pair)


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("scored.csv", "is neither .jsonl nor .parquet"),
        ("nowhere/scored.jsonl", "there is no directory nowhere"),
        ("rollouts.jsonl", "is the file of the rollouts itself"),
        ("directory.jsonl", "is a directory"),
    ],
)
def test_a_place_that_will_not_do_is_one_clear_error(at, out, said):
    at.rollouts([{"prompt": "p", "completion": "x"}])
    (at / "directory.jsonl").mkdir()
    before = (at / "rollouts.jsonl").read_bytes()
    assert said in at.complaint("score", "mix.toml", "rollouts.jsonl", "--out", out, "--overwrite")
    assert (at / "rollouts.jsonl").read_bytes() == before


def test_an_unknown_option_is_an_error_with_a_suggestion(at):
    ended = at.guerdon("score", "mix.toml", "rollouts.jsonl", "--skip-bad-line")
    assert ended.returncode == 2
    assert "--skip-bad-lines" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_mistake_that_every_line_repeats_is_named_once(at):
    at.rollouts([{"prompt": "p", "response": "x"}] * 30)
    complaint = at.complaint("score", "mix.toml", "rollouts.jsonl")
    assert complaint.count("has no column 'completion'") == 1
    assert "and 29 more lines like it" in complaint
