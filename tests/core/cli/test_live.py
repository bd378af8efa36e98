"""What is shown while a model is trained: a display in a terminal, lines elsewhere."""

import io
import os
import pty
import subprocess
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from guerdon.cli import live as module
from guerdon.cli.live import Live

METRICS = {
    "loss": -0.0123,
    "learning_rate": 3e-4,
    "reward": 1.234,
    "reward_std": 0.31,
    "rewards/accuracy/mean": 0.61,
    "rewards/format/mean": 0.97,
    "rewards/language/mean": 0.98,
    "completions/mean_length": 31.24,
    "completions/clipped_ratio": 0.02,
    "completions/reflection_words": 0.25,
    "entropy": 0.4321,
    "kl": 0.0012,
    "experts/load": 1.23,
    "time/step": 0.41,
    "time/rewards_wait": 0.03,
    "time/tokens_per_second": 41234.5,
}
EVALUATED = {"eval/pass@1": 0.61, "eval/pass@1/low": 0.53, "eval/pass@1/high": 0.69, "eval/cons@8": 0.75}
SAID = (
    "rl (2 of 2)", "step 3 of 10", "1.234 ± 0.310", "accuracy 0.610", "format 0.970", "31.2 tokens", "cut off 2%",
    "reflection words 0.25", "entropy 0.432", "KL 0.0012", "experts 1.23 max/mean", "lr 0.0003", "0.41 s a step",
    "41,234 tokens/s", "waited for rewards 0.03 s", "pass@1 0.610 (0.530 to 0.690)", "cons@8 0.750", "after step 2",
)  # fmt: skip


def run(*stages: str) -> SimpleNamespace:
    return SimpleNamespace(stages=[SimpleNamespace(name=name) for name in stages])


def panel(live: Live, width: int = 80) -> list[str]:
    shown = io.StringIO()
    Console(file=shown, width=width, force_terminal=True, color_system=None).print(live.panel())
    return shown.getvalue().splitlines()


def test_a_terminal_shows_everything_that_is_asked_for_within_80_columns_and_12_lines():
    live = Live(run("cold-start", "rl"))
    live.stage("rl")
    live.step("rl", 2, 10, EVALUATED)
    live.step("rl", 3, 10, METRICS)
    lines = panel(live)
    assert len(lines) <= 12
    assert all(len(line) <= 80 for line in lines)
    text = " ".join(" ".join(lines).split())
    assert not [said for said in SAID if said not in text], text


def test_what_a_trainer_does_not_measure_takes_no_room():
    live = Live(run("sft"))
    live.stage("sft")
    live.step("sft", 1, 5, {"loss": 2.5, "time/step": 0.1})
    text = "\n".join(panel(live))
    assert "loss 2.5" in text
    assert "step 1 of 5" in text
    assert not [word for word in ("KL", "entropy", "experts", "terms", "held out", "completions") if word in text]


def test_rollouts_without_a_score_are_told_where_there_are_any(capsys):
    live = Live(run("rl"))
    live.step("rl", 1, 5, {**METRICS, "rollouts/unscored": 0.0, "groups/dropped": 0.0})
    assert "without a score" not in "\n".join(panel(live))
    live.step("rl", 5, 5, {"completions/mean_length": 7.0, "rollouts/unscored": 16.0, "groups/dropped": 4.0})
    assert "16 rollouts without a score   4 groups dropped" in "\n".join(panel(live))
    assert "rl step 5/5: 16 rollouts without a score   4 groups dropped   7.0 tokens" in capsys.readouterr().err


def test_before_the_first_step_it_says_so():
    live = Live(run("rl"))
    live.stage("rl")
    assert "getting ready" in "\n".join(panel(live))


def test_a_number_that_is_none_is_a_dash():
    live = Live(run("rl"))
    live.step("rl", 1, 5, {"reward": float("nan"), "reward_std": 0.0})
    assert "– ± 0.000" in "\n".join(panel(live))


def test_the_last_evaluation_stays_until_the_next_one():
    live = Live(run("rl"))
    live.step("rl", 2, 10, {**METRICS, **EVALUATED})
    live.step("rl", 3, 10, METRICS)
    assert "pass@1 0.610" in "\n".join(panel(live))
    live.step("rl", 4, 10, {"eval/pass@1": 0.7})
    assert "pass@1 0.700   after step 4" in "\n".join(panel(live))


def test_a_reward_models_accuracy_is_an_evaluation_too(capsys):
    live = Live(run("helpful"))
    live.step("helpful", 2, 10, {"loss": 0.3, "eval/accuracy": 0.975, "eval/brier": 0.02})
    assert "held out: accuracy 0.975   after step 2" in capsys.readouterr().err


def test_the_time_that_is_left_is_that_of_the_steps_without_the_start_and_the_evaluations(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    live = Live(run("rl"))
    live.stage("rl")
    now[0] = 500
    live.step("rl", 0, 100, EVALUATED)
    for number, seconds in enumerate([9.0, 2.0, 2.0, 2.0], 1):
        assert ("left" in "\n".join(panel(live))) == (number > 3)
        now[0] += seconds + 50
        live.step("rl", number, 100, {**METRICS, "time/step": seconds})
        live.step("rl", number, 100, EVALUATED)
    text = "\n".join(panel(live))
    assert "11:55, about 3:12 left" in text, "96 steps of 2 s"
    assert "accuracy 0.610" in text, "an evaluation does not make the last step forgotten"


def test_a_trainer_that_does_not_say_what_a_step_takes_is_timed(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    live = Live(run("rl"))
    for number in range(1, 5):
        now[0] += 3
        live.step("rl", number, 24, {"loss": 1.0})
    assert "about 1:00 left" in "\n".join(panel(live))


def test_a_name_does_not_steer_the_terminal():
    live = Live(run("rl"))
    live.step("rl", 1, 2, {"rewards/\x1b[2Jbad/mean": 0.5})
    assert "\x1b[2J" not in "\n".join(panel(live))


def test_elsewhere_there_is_a_line_now_and_then_and_none_is_long(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    with Live(run("cold-start", "rl")) as live:
        live.stage("rl")
        live.step("rl", 0, 100, EVALUATED)
        for number in range(1, 101):
            now[0] += 1
            live.step("rl", number, 100, {**METRICS, "time/step": 1.0})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "stage rl (2 of 2)"
    assert lines[1].startswith("rl held out: pass@1 0.610 (0.530 to 0.690)")
    assert lines[2].startswith("rl step 1/100: reward 1.234 ± 0.310   loss -0.0123   accuracy 0.610")
    assert lines[3].startswith("rl step 11/100, 1:29 left: reward 1.234 ± 0.310   loss -0.0123   accuracy 0.610")
    assert lines[-1].startswith("rl step 100/100: ")
    assert 10 <= len(lines) <= 14
    assert all(len(line) <= 100 for line in lines)


@pytest.mark.slow
def test_in_a_real_terminal_it_moves_and_leaves_its_last_state():
    source = (
        "from types import SimpleNamespace as N\nfrom guerdon.cli.live import Live\n"
        "with Live(N(stages=[N(name='rl')])) as live:\n    live.stage('rl')\n    live.say('one line')\n"
        f"    live.step('rl', 7, 9, {METRICS!r})\n"
    )
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", source], stderr=follower, env={**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    )
    os.close(follower)
    shown = b""
    try:
        while part := os.read(leader, 4096):
            shown += part
    except OSError:
        pass  # how a terminal says that it is closed
    assert child.wait(timeout=60) == 0
    text = shown.decode()
    assert "one line" in text
    assert "step 7 of 9" in text.rpartition("getting ready")[2]
