"""guerdon explain FILE ROLLOUTS."""

import json

import pytest


@pytest.fixture
def at(place):
    place.write(
        "mix.toml",
        '[rewards.format]\nuse = "right"\ngate = true\n[rewards.echo]\nuse = "echo"\nweight = 0.5\ndomains = ["math"]\n'
        '[rewards.code]\nuse = "slow"\ndomains = ["code", "sql"]\n',
    )
    rows = [
        {"id": "a", "domain": "math", "completion": "<think>" + "t" * 900 + "</think>yes"},
        {"id": "b", "domain": "math", "completion": "no"},
        {"id": "b", "completion": "yes"},
        {"id": "d", "domain": "math", "completion": "yes", "ground_truth": 3},
    ]
    place.rollouts({"prompt": "p", "ground_truth": "yes", **row} for row in rows)
    return place


def test_it_says_the_route_each_terms_value_and_the_total(at):
    out = at.guerdon("explain", "mix.toml", "rollouts.jsonl", "--row", "1").stdout
    assert "format: 1 (scored)\n    right returned 1\n    right; gate of weight 1; for every task; " in out
    assert "echo; weight 0.5; for math; " in out
    assert "code: not_applicable\n    for code, sql only, and this task is of domain math\n" in out
    assert "evidence pid: " in out
    assert "total: 460 (scored)\n    1 × 1 format + 0.5 × 918 echo\n" in out


def test_it_shortens_the_thinking_and_keeps_the_answer(at):
    out = at.guerdon("explain", "mix.toml", "rollouts.jsonl", "--row", "1").stdout
    thinking = next(line for line in out.splitlines() if line.startswith("  thinking"))
    assert "(900 characters) ttt" in thinking
    assert " … " in thinking
    assert len(thinking) < 350
    assert "  answer    (3 characters) yes\n" in out


def test_it_says_when_a_gate_is_shut(at):
    out = at.guerdon("explain", "mix.toml", "rollouts.jsonl", "--row", "2").stdout
    assert "format: 0 (scored, the gate is shut)" in out
    assert "total: 0 (scored)\n    gate 'format' is shut: right returned 0\n" in out


def test_it_says_why_a_term_does_not_apply_to_a_task_without_a_domain(at):
    out = at.guerdon("explain", "mix.toml", "rollouts.jsonl", "--row", "3").stdout
    assert "code: not_applicable\n    for code, sql only, and this task has no domain\n" in out


def test_it_says_why_there_is_no_total(at):
    out = at.guerdon("explain", "mix.toml", "rollouts.jsonl", "--id", "d").stdout
    assert "format: no score (bad_ground_truth)\n" in out
    assert "total: no score (bad_ground_truth)\n    'format' has no score: " in out


def test_it_agrees_with_score(at, without_times):
    at.guerdon("score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl", "--set", "rewards.code.weight=2")
    told = at.guerdon("explain", "mix.toml", "rollouts.jsonl", "--id", "a", "--json", "--set", "rewards.code.weight=2")
    rows = without_times([json.loads(told.stdout), at.rows("scored.jsonl")[0]])
    for row in rows:
        row["terms"]["echo"].pop("evidence")  # a process id
    assert rows[0] == rows[1]


def test_a_rollout_of_a_group_is_judged_with_its_group(at):
    at.write("mix.toml", '[rewards.longest]\nuse = "longest"\n')
    at.rollouts({"prompt": "p", "group": f"g{n % 2}", "completion": "x" * (n + 1)} for n in range(6))
    out = at.guerdon("explain", "mix.toml", "rollouts.jsonl", "--row", "1").stdout
    assert "longest: 0.2 (scored)" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "one of them says which rollout to explain"),
        (["--row", "1", "--id", "a"], "one of them says which rollout to explain"),
        (["--row", "9"], "there is no rollout in this line; the last one is in line 4"),
        (["--id", "z"], "no rollout has the id 'z'"),
        (["--id", "b"], "2 rollouts have the id 'b'; say --row with one of 2, 3"),
    ],
)
def test_a_rollout_that_cannot_be_told_is_one_clear_error(at, arguments, said):
    assert said in at.complaint("explain", "mix.toml", "rollouts.jsonl", *arguments)


def test_a_bad_line_is_an_error_only_when_it_is_the_one_that_is_meant(at):
    with (at / "rollouts.jsonl").open("a") as file:
        file.write("{\n")
    assert at.guerdon("explain", "mix.toml", "rollouts.jsonl", "--row", "1").returncode == 0
    assert "rollouts.jsonl:5: is no JSON" in at.complaint("explain", "mix.toml", "rollouts.jsonl", "--row", "5")


def test_what_a_completion_holds_does_not_steer_the_terminal(at):
    at.rollouts([{"prompt": "\x1b[2J", "completion": "\x1b]0;owned\x07\u202e\ud800", "ground_truth": "yes"}])
    ended = at.guerdon("explain", "mix.toml", "rollouts.jsonl", "--row", "1")
    assert ended.returncode == 0, ended.stderr
    for character in "\x1b\x07\u202e":
        assert character not in ended.stdout


def test_what_a_plugin_prints_while_it_is_imported_is_not_in_the_json(at):
    at.install("a-chatterbox", "chatterbox", "print('hello')\nfrom guerdon import hookimpl\n"
               "@hookimpl\ndef rollouts_scored(totals): pass\n")  # fmt: skip
    ended = at.guerdon("explain", "mix.toml", "rollouts.jsonl", "--row", "1", "--json")
    assert json.loads(ended.stdout)["score"] == 460
    assert "hello" in ended.stderr
