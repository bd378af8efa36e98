"""guerdon score FILE ROLLOUTS: the rows that come out, and the summary."""

import json

import pytest

from guerdon.rows import read_rows

LENGTH = '[rewards.length]\nuse = "slow"\n'


def some(count: int, **more):
    return [{"id": f"r{n}", "prompt": "p", "completion": "x" * (n % 7), **more} for n in range(count)]


def cells(out: str, term: str) -> list[str]:
    return next(line for line in out.splitlines() if line.startswith(f"{term} ")).split()


def test_the_same_rows_come_out_with_what_was_said_of_them(place):
    place.write("mix.toml", LENGTH + 'weight = 0.5\n[rewards.other]\nuse = "echo"\ndomains = ["chat"]\n')
    rows = some(1500, extra={"kept": [1, None, "中\ud800\0"]})
    place.rollouts(rows)
    ended = place.guerdon("score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl")
    assert ended.returncode == 0, ended.stderr
    scored = place.rows("scored.jsonl")
    assert [{name: row[name] for name in rows[0]} for row in scored] == rows
    assert [row["score"] for row in scored] == [0.5 * len(row["completion"]) for row in rows]
    assert scored[3]["outcome"] == "scored"
    assert scored[3]["reason"] == "0.5 × 3 length"
    assert scored[3]["terms"]["length"]["value"] == 3
    assert scored[3]["terms"]["length"]["reason"] == "3 characters"
    assert scored[3]["terms"]["other"]["outcome"] == "not_applicable"
    assert set(scored[3]["terms"]["length"]) == {
        "value", "reason", "outcome", "seconds", "queued_seconds", "evidence",
    }  # fmt: skip
    assert sorted(path.name for path in place.directory.iterdir()) == ["mix.toml", "rollouts.jsonl", "scored.jsonl"]


def test_parquet_holds_the_same_rows(place, without_times):
    place.write("mix.toml", LENGTH)
    rows = some(700, extra={"kept": [1, None, "\ud800"]}, metadata={"a": 1})
    rows[600]["late"] = 3
    rows[601]["late"] = "mixed"
    place.rollouts(rows)
    assert place.guerdon("score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl").returncode == 0
    assert place.guerdon("score", "mix.toml", "rollouts.jsonl", "--out", "scored.parquet").returncode == 0
    expected = without_times(place.rows("scored.jsonl"))
    found = without_times([row for _, row in read_rows(place / "scored.parquet")])
    assert [{**dict.fromkeys(row), **old} for row, old in zip(found, expected, strict=True)] == found
    assert sorted(path.name for path in place.directory.glob("*scored*")) == ["scored.jsonl", "scored.parquet"]


def test_what_is_scored_can_be_scored_again(place):
    place.write("mix.toml", LENGTH)
    place.rollouts(some(10))
    place.guerdon("score", "mix.toml", "rollouts.jsonl", "--out", "one.parquet")
    ended = place.guerdon("score", "mix.toml", "one.parquet", "--out", "two.jsonl", "--set", "rewards.length.weight=2")
    assert ended.returncode == 0, ended.stderr
    assert "replacing its own score, outcome, reason, terms" in ended.stderr
    assert place.rows("two.jsonl")[3]["score"] == 6


def test_columns_of_other_names_are_mapped(place):
    place.write("mix.toml", '[rewards.quiz]\nuse = "right"\n')
    place.rollouts([{"question": "q", "response": "4", "info": {"gold": "4"}}])
    pairs = ("--map", "prompt=question", "--map", "completion=response", "--map", "ground_truth=info.gold")
    ended = place.guerdon("score", "mix.toml", "rollouts.jsonl", *pairs, "--out", "scored.jsonl")
    assert ended.returncode == 0, ended.stderr
    assert place.rows("scored.jsonl")[0]["score"] == 1
    assert place.rows("scored.jsonl")[0]["response"] == "4"


def test_without_a_file_only_the_summary_is_shown(place):
    place.write("mix.toml", LENGTH)
    place.rollouts(some(7))
    ended = place.guerdon("score", "mix.toml", "rollouts.jsonl")
    assert ended.returncode == 0
    assert ended.stdout.startswith("7 rollouts; ")
    assert cells(ended.stdout, "length")[1:3] == ["3", "7"]
    assert ended.stderr == ""


def test_the_summary_counts_outcomes(place):
    place.write("mix.toml", '[rewards.one]\nuse = "hostile-canonical"\n')
    pairs = [("right", "x"), ("wrong", "x"), ("raise", "x"), ("right", "broken"), ("right", 3), ("unavailable", "x")]
    place.rollouts([{"prompt": f"{n}", "completion": c, "ground_truth": t} for n, (c, t) in enumerate(pairs)])
    ended = place.guerdon("score", "mix.toml", "rollouts.jsonl")
    header = ended.stdout.splitlines()[1].split()
    assert header[:6] == ["term", "mean", "scored", "bad_ground_truth", "unavailable", "verifier_error"]
    assert cells(ended.stdout, "one")[1:6] == ["0.3333", "3", "1", "1", "1"]
    assert cells(ended.stdout, "total")[1:6] == ["0.3333", "3", "1", "1", "1"]


def test_groups_are_summed_up_where_rows_have_them(place):
    place.write("mix.toml", '[rewards.one]\nuse = "hostile-canonical"\n')
    groups = {"flat": ["right", "right"], "mixed": ["right", "wrong"], "poor": ["right", "unavailable"]}
    place.rollouts(
        {"prompt": "p", "completion": completion, "ground_truth": "x", "group": group}
        for group, completions in groups.items()
        for completion in completions
    )
    out = place.guerdon("score", "mix.toml", "rollouts.jsonl").stdout
    assert "3 groups; frac_reward_zero_std 0.5 (1 of 2 with two scores or more); 1 with fewer than two scores" in out


def test_a_group_is_scored_together_wherever_its_rows_stand(place):
    place.write("mix.toml", '[rewards.length]\nuse = "longest"\n')
    rows = [{"prompt": "p", "group": n % 600, "completion": "x" * (1 + n // 600)} for n in range(1800)]
    place.rollouts(rows)
    ended = place.guerdon("score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl")
    assert ended.returncode == 0, ended.stderr
    assert [row["score"] for row in place.rows("scored.jsonl")] == [(1 + n // 600) / 3 for n in range(1800)]


def test_a_reward_that_compares_a_group_needs_groups(place):
    place.write("mix.toml", '[rewards.length]\nuse = "longest"\n')
    place.rollouts(some(3))
    complaint = place.complaint("score", "mix.toml", "rollouts.jsonl")
    assert "3 rollouts without a `group` (the first in line 1), and rewards.length compares" in complaint
    assert "--map group=COLUMN" in complaint


@pytest.mark.parametrize(("domain", "said"), [(None, "the 2 rollouts without a domain"), ("law", "of domain 'law'")])
def test_rollouts_that_no_weighted_term_covers_stop_it_before_anything_runs(place, domain, said):
    place.write("mix.toml", LENGTH + 'domains = ["math"]\n[rewards.logged]\nuse = "echo"\nweight = 0\n')
    place.rollouts([*some(3, domain="math"), *some(2, domain=domain)])
    complaint = place.complaint("score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl")
    assert said in complaint
    assert "(the first in line 4)" in complaint
    assert not (place / "scored.jsonl").exists()


def test_listeners_hear_of_every_chunk(place):
    place.write("mix.toml", LENGTH)
    place.rollouts(some(1100))
    ended = place.guerdon("score", "mix.toml", "rollouts.jsonl", LISTENER=str(place / "heard"))
    assert ended.returncode == 0, ended.stderr
    assert (place / "heard").read_text().splitlines() == [*(f"{n} 32" for n in range(34)), "34 12"]


def test_a_listener_that_raises_is_named_once_and_heard_no_more(place):
    place.write("mix.toml", LENGTH)
    place.rollouts(some(1100))
    ended = place.process("score", "mix.toml", "rollouts.jsonl", LISTENER=str(place / "heard"), LISTENER_RAISES="yes")
    assert ended.returncode == 0
    assert (place / "heard").read_text().splitlines() == ["0 32"]
    assert ended.stderr.count("plugin 'rewards_for_tests': its rollouts_scored raised") == 1
    assert "the tracker is down" in ended.stderr


def test_hostile_completions_and_scores_that_are_no_numbers_harm_no_other(place):
    place.write("mix.toml", '[rewards.one]\nuse = "hostile-canonical"\n[rewards.two]\nuse = "inline"\n')
    completions = ["right", "nan", "x" * (1 << 20), "\0", "\ud800", "segfault", "<think>", "", "right"]
    rows = [{"id": f"{n}", "prompt": "p", "completion": c, "ground_truth": "x"} for n, c in enumerate(completions)]
    rows = [row for row in rows if row["completion"] != "segfault"]  # inline, that would be our own end
    place.rollouts(rows)
    ended = place.guerdon("score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl")
    assert ended.returncode == 0, ended.stderr
    scored = place.rows("scored.jsonl")
    assert [row["score"] for row in scored] == [2, 0, 0, 0, 0, 0, 0, 2]
    assert [row["completion"] for row in scored] == [row["completion"] for row in rows]
    for term in scored[1]["terms"].values():
        assert "nan is no score" in term["reason"]
    ended = place.process("explain", "mix.toml", "rollouts.jsonl", "--row", "5")
    assert "\\ud800" in ended.stdout


def test_a_verifier_that_is_broken_stops_it_with_its_traceback_and_keeps_what_was_scored(place):
    place.write("mix.toml", '[rewards.one]\nuse = "hostile-canonical"\n')
    rows = [
        {"prompt": f"{n}", "completion": "right", "ground_truth": "x" if n < 1500 else "broken"} for n in range(2100)
    ]
    place.rollouts(rows)
    ended = place.guerdon("score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl")
    assert ended.returncode == 2
    assert "this truth has no key" in ended.stderr
    assert "in verify" in ended.stderr
    kept = place.rows("scored.jsonl")
    assert len(kept) >= 1500 - 32
    assert all(row["score"] == 1 for row in kept[:1500])


def test_the_table_fits_a_narrow_terminal(place):
    from io import StringIO

    from rich.console import Console

    from guerdon.cli.summary import Tally
    from guerdon.types import Outcome

    tally = Tally(["one-language-only"])
    for outcome in Outcome:
        value = 1.0 if outcome is Outcome.SCORED else None
        term = {"value": value, "outcome": str(outcome), "reason": "why", "seconds": 0.001, "evidence": {}}
        tally.add(
            {"score": value, "outcome": str(outcome), "reason": "why", "terms": {"one-language-only": term}}, None
        )
    to = Console(file=StringIO(), width=80, force_terminal=True, color_system=None)
    tally.show(to)
    lines = to.file.getvalue().splitlines()
    for outcome in Outcome:
        assert any(str(outcome) in line for line in lines)
    assert sum(line.startswith("one-language-only ") for line in lines) == 2
    assert "one-language-only: 1 unavailable, most often: why" in lines
    assert max(map(len, lines)) <= 80


def test_cheats_that_were_found_out_are_counted(place):
    place.rollouts(some(3))
    place.write("mix.toml", '[rewards.honesty]\nuse = "caught"\n')
    ended = place.guerdon("score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl")
    assert "honesty: 3 cheats found out" in ended.stdout


def test_a_row_as_a_json_list_is_read_too(place):
    place.write("mix.toml", LENGTH)
    place.write("rollouts.json", json.dumps(some(3)))
    ended = place.guerdon("score", "mix.toml", "rollouts.json", "--out", "scored.jsonl")
    assert ended.returncode == 0
    assert len(place.rows("scored.jsonl")) == 3


def test_a_term_whose_domains_fit_no_rollout_is_loudly_named(place):
    place.write("mix.toml", LENGTH + '[rewards.math]\nuse = "echo"\ndomains = ["maths"]\n')
    place.rollouts(some(3, domain="math"))
    ended = place.guerdon("score", "mix.toml", "rollouts.jsonl")
    assert ended.returncode == 0
    said = "rewards.math: its domains (maths) fit no rollout; there are: math; did you mean 'math'?"
    assert ended.stderr == f"warning: {said}\n"


def test_a_slip_in_the_only_domains_is_named_in_the_error(place):
    place.write("mix.toml", LENGTH + 'domains = ["maths"]\n')
    place.rollouts(some(1, domain="math"))
    complaint = place.complaint("score", "mix.toml", "rollouts.jsonl")
    assert "no weighted term covers the 1 rollout of domain 'math'" in complaint
    assert "did you mean 'math'?" in complaint


def test_the_summary_says_why_there_is_no_score(place):
    place.write("mix.toml", '[rewards.quiz]\nuse = "right"\n[rewards.length]\nuse = "slow"\nweight = 0\n')
    truths = ["x", 3, 3, 4]
    place.rollouts({"prompt": f"{n}", "completion": "x", "ground_truth": truth} for n, truth in enumerate(truths))
    ended = place.guerdon("score", "mix.toml", "rollouts.jsonl")
    assert ended.returncode == 0
    line = next(line for line in ended.stdout.splitlines() if line.startswith("quiz: "))
    assert line.startswith("quiz: 3 bad_ground_truth, most often: ")
    assert "got 3" in line
    assert "length: " not in ended.stdout


def test_a_scoring_in_which_nothing_was_scored_fails(place):
    place.write("mix.toml", '[rewards.quiz]\nuse = "right"\n')
    place.rollouts([{"prompt": "p", "completion": "x", "ground_truth": 3}])
    ended = place.guerdon("score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl")
    assert ended.returncode == 1
    assert "no rollout was scored" in ended.stderr
    assert ended.stdout.startswith("1 rollout; ")
    assert len(place.rows("scored.jsonl")) == 1


def test_reading_that_takes_long_shows_how_far_it_is(place, monkeypatch):
    from guerdon.cli import progress

    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    place.write("mix.toml", LENGTH)
    place.rollouts(some(250))
    assert "reading: 100\n" in place.guerdon("score", "mix.toml", "rollouts.jsonl").stderr
