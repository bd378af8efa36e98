"""What is shown when a training is over."""

import json

import pytest

from guerdon import Outcome, Rollout, Score, Task, TermScore, Total, runfile
from guerdon.cli.ending import show_ending
from guerdon.evaluation import is_right
from guerdon.parquet import write_parquet
from guerdon.report import Report, TaskResult
from guerdon.totals import Term
from guerdon_format import ThinkTags

CONFIG = """
directory = "{}"
note = "A toy: no emergence."

[rewards.format]
use = "think-tags"
"""


def evaluated(directory, step, stage, *says):
    """An evaluation of a model that says these things; a text with tags is right."""
    results = []
    for number, text in enumerate(says):
        rollout = Rollout(Task(f"t{number}", f"question {number}?"), text, completion_ids=[1] * len(text))
        score = Score(float("</think>" in text), "looked")
        total = Total(score.value, Outcome.SCORED, "", {"format": TermScore(score)})
        results.append(TaskResult(rollout.task, [rollout], [total], [is_right(total, [Term("format", ThinkTags())])]))
    report = Report(1, results)
    (directory / "evaluations").mkdir(exist_ok=True)
    write_parquet(directory / "evaluations" / f"step-{step:05d}.parquet", list(report.rows()))
    metrics = {f"eval/{name}": value for name, value in report.metrics().items()}
    return json.dumps({"step": step, "stage": stage, **metrics}) + "\n"


@pytest.fixture
def run(tmp_path):
    directory = tmp_path / "my run"
    directory.mkdir()
    (directory / "config.toml").write_text(CONFIG.format(directory))
    return directory


def ending(run, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    show_ending(runfile.load(run / "config.toml"))
    return capsys.readouterr()


def step(number, stage, **metrics):
    return json.dumps({"step": number, "stage": stage, **metrics}) + "\n"


def test_every_stages_end_is_compared_with_the_beginning(run, capsys, monkeypatch):
    good = "<think>t</think>yes"
    lines = [
        evaluated(run, 0, "sft", "no", "no", "no", "no"),
        step(1, "sft", loss=1.0),
        evaluated(run, 1, "sft", good, "no", "no", "no"),
        step(2, "rl", loss=1.0),
        evaluated(run, 2, "rl", good, good, "no", "no"),
        evaluated(run, 3, "rl", good, good, good, good),
    ]
    (run / "metrics.jsonl").write_text("".join(lines))
    out = ending(run, capsys, monkeypatch).out
    rows = {line.split("  ")[0]: line.split() for line in out.splitlines()}
    assert rows["pass@1"] == ["pass@1", "0.000", "0.250", "1.000"]
    assert rows["format"] == ["format", "0.000", "0.250", "1.000"]
    header = next(line for line in out.splitlines() if "before" in line)
    assert header.split() == ["before", "after", "sft", "after", "rl"]
    assert "95 % interval" in out
    assert "without a score" not in out, "there is none"


def test_three_completions_of_the_same_tasks_are_shown_then_and_now(run, capsys, monkeypatch):
    lines = [
        evaluated(run, 0, "rl", *(f"bad {n}" for n in range(5))),
        evaluated(run, 9, "rl", *(f"<think>well {n}</think>yes" for n in range(5))),
    ]
    (run / "metrics.jsonl").write_text("".join(lines))
    out = ending(run, capsys, monkeypatch).out
    for n in range(3):
        (shown,) = [part for part in out.split("\n\n") if part.startswith(f"question {n}?")]
        assert shown.splitlines()[1:5] == [
            "  before: format 0",
            f"    bad {n}",
            "  after rl: format 1",
            f"    <think>well {n}</think>yes",
        ]
    assert "question 3?" not in out


def test_without_an_evaluation_the_first_and_last_steps_are_compared(run, capsys, monkeypatch):
    (run / "metrics.jsonl").write_text("".join(step(n, "rl", loss=1 / n, **{"time/step": 2.0}) for n in range(1, 41)))
    out = ending(run, capsys, monkeypatch).out
    assert "rl: means over the first and the last 10 of 40 steps" in out
    (row,) = [line.split() for line in out.splitlines() if line.startswith("loss")]
    assert float(row[1]) == pytest.approx(sum(1 / n for n in range(1, 11)) / 10, rel=1e-3)
    assert float(row[2]) == pytest.approx(sum(1 / n for n in range(31, 41)) / 10, rel=1e-3)
    assert "time/step" not in out
    assert "guerdon eval" not in out


def test_what_went_wrong_in_steps_is_told_where_it_did(run, capsys, monkeypatch):
    (run / "metrics.jsonl").write_text(
        "".join(step(n, "rl", **{"rollouts/unscored": 16.0 * (n < 3), "groups/dropped": 0.0}) for n in range(1, 41))
    )
    out = ending(run, capsys, monkeypatch).out
    (row,) = [line.split() for line in out.splitlines() if line.startswith("rollouts/unscored")]
    assert row[1:] == ["3.2", "0"]
    assert "groups/dropped" not in out


def test_it_says_what_a_toy_does_not_show_where_the_curves_are_and_what_to_do_next(run, capsys, monkeypatch):
    (run / "metrics.jsonl").write_text(evaluated(run, 0, "rl", "no") + evaluated(run, 9, "rl", "yes"))
    out = ending(run, capsys, monkeypatch).out
    assert "A toy: no emergence.\n" in out
    assert f"the curves are in {run / 'curves.png'}\n" in out
    assert (run / "curves.png").is_file()
    assert f"  guerdon eval '{run}' -k 8\n" in out
    assert f"  guerdon plot '{run}'" in out


def test_a_model_that_writes_control_characters_does_not_steer_the_terminal(run, capsys, monkeypatch):
    (run / "metrics.jsonl").write_text(
        evaluated(run, 0, "rl", "\x1b[2J\x07") + evaluated(run, 9, "rl", "\x1b[2J\u202e")
    )
    out = ending(run, capsys, monkeypatch).out
    assert not {"\x1b", "\x07", "\u202e"} & set(out)


def test_files_that_somebody_removed_leave_the_numbers(run, capsys, monkeypatch):
    (run / "metrics.jsonl").write_text(evaluated(run, 0, "rl", "no") + evaluated(run, 9, "rl", "yes"))
    for path in (run / "evaluations").iterdir():
        path.unlink()
    assert "pass@1" in ending(run, capsys, monkeypatch).out


def test_what_was_warned_of_is_told_again(run, capsys, monkeypatch):
    lines = [step(n, "rl", **{"rewards/a/mean": n / 9}) for n in range(1, 10)]
    lines[4] = step(5, "rl", **{"rewards/a/mean": 0.5, "warnings": ["'a' went up\x1b", "'b' too"]})
    (run / "metrics.jsonl").write_text("".join(lines))
    said = ending(run, capsys, monkeypatch)
    assert said.err == "warning: step 5: 'a' went up\\x1b\nwarning: step 5: 'b' too\n"
