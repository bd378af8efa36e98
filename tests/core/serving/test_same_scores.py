"""What is served scores as it does anywhere else: every value, reason and outcome, all terms."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from corpora import group_rollout, language_rollout, load, math_rollout

from guerdon import Rollout, Task
from guerdon.ledger import row, verdict
from guerdon.remote import RemoteMixture, fingerprint
from guerdon.remote.protocol import row_of
from guerdon.runfile import parse

MIX = """
[rewards.format]
use = "think-tags"
weight = 0.5

[rewards.math]
use = "boxed-math"
domains = ["math"]

[rewards.repetition]
use = "repetition"
weight = 0

[rewards.overlong]
use = "overlong"
unit = "characters"
max_length = 4000
buffer = 1000
"""


def mixture_of(toml):
    return parse(tomllib.loads(toml), Path("mix.toml"), toml).mixture()


def without_times(said):
    for term in said["terms"].values():
        del term["seconds"], term["queued_seconds"]
    return said


def here(toml, rollouts, groups=None):
    with mixture_of(toml) as mixture:
        return [without_times(verdict(total)) for total in mixture.submit(rollouts, groups).result()]


def there(server, rollouts, groups=None, **options):
    with RemoteMixture([server.url], **options) as mixture:
        return [without_times(verdict(total)) for total in mixture.submit(rollouts, groups).result()]


@pytest.fixture(scope="module")
def rollouts():
    math = load("math/dev")[::12] + load("math/adversarial_dev")
    groups = load("outputs/math_groups")[::20]
    language = load("language/dev")[::20]
    return [*map(math_rollout, math), *map(group_rollout, groups), *map(language_rollout, language)]


def test_a_server_says_what_the_mixture_and_guerdon_score_say(serve, rollouts, tmp_path):
    (tmp_path / "mix.toml").write_text(MIX)
    rows = [row_of(rollout, None) for rollout in rollouts]
    (tmp_path / "rollouts.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    command = [sys.executable, "-m", "guerdon", "score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    scored = [without_times(json.loads(line)) for line in (tmp_path / "scored.jsonl").read_text().splitlines()]
    with serve(MIX) as server:
        said = there(server, rollouts, expect=fingerprint(mixture_of(MIX).terms))
        status, answer, _ = server.ask("/score", {"rollouts": rows})
    assert len(said) > 300
    assert sum(one["outcome"] == "scored" for one in said) > 200
    assert said == here(MIX, rollouts)
    assert status == 200
    assert [without_times(one) for one in answer["scores"]] == said
    assert all(one.items() <= other.items() for one, other in zip(said, scored, strict=True))


def test_a_rollout_arrives_as_it_was_sent(serve, rewards_for_tests):
    toml = '[rewards.length]\nuse = "length"'
    task = Task(
        "a task", [{"role": "user", "content": "h\u00e9 \u2028 ☃"}], {"a": [1, 2.5, None, True]}, "d", "en", {"k": "v"}
    )
    rollouts = [
        Rollout(task, "plain"),
        Rollout(task, "half a pair \ud83d, both apart \ud83d\ude00, both \U0001f600, nul \x00, newline \r\n"),
        Rollout(Task("2", "", float("inf")), ""),
        Rollout(task, "x" * 200_000, True, "<think>\n", [1, 2], [3, 4], [-0.1, -1e-300]),
    ]
    with serve(toml) as server:
        said = there(server, rollouts)
    assert said == here(toml, rollouts)
    assert said[3]["terms"]["length"]["evidence"]["logprobs"] == [-0.1, -1e-300]


def test_what_python_alone_calls_json_comes_back(serve, rewards_for_tests):
    with serve('[rewards.odd]\nuse = "odd"') as server:
        (said,) = there(server, [Rollout(Task("1", ""), "")])
    term = said["terms"]["odd"]
    assert (said["score"], term["reason"]) == (0.1 + 0.2, "half a pair: \ud83d")
    assert term["evidence"]["not a number"] != term["evidence"]["not a number"]


def test_groups_are_judged_together_wherever_they_come_from(serve, rewards_for_tests):
    toml = '[rewards.rank]\nuse = "rank"'
    rollouts = [Rollout(Task(str(i % 7), "?"), "x" * (i * 37 % 101)) for i in range(700)]
    groups = [str(i % 7) for i in range(700)]
    with serve(toml) as server, RemoteMixture([server.url]) as mixture:
        expected = [one["score"] for one in here(toml, rollouts, groups)]
        # Submissions do not know of each other: their groups have the same names.
        futures = [mixture.submit(rollouts, groups), *(mixture.submit([r], ["0"]) for r in rollouts[:50])]
        whole, *single = [future.result() for future in futures]
        assert [total.value for total in whole] == expected
        assert [total.value for (total,) in single] == [0.0] * 50


def test_equal_rollouts_of_a_task_are_judged_once(serve):
    rows = [{"id": "one", "prompt": "1+1?", "completion": r"\boxed{2}", "ground_truth": "2"}] * 20
    with serve('[rewards.math]\nuse = "boxed-math"') as server:
        scores = server.ask("/score", {"rollouts": rows})[1]["scores"]
    assert {one["score"] for one in scores} == {1.0}
    assert len({one["terms"]["math"]["seconds"] for one in scores}) == 1


def test_a_row_of_the_ledger_can_be_sent_as_it_is(serve, rewards_for_tests):
    toml = '[rewards.length]\nuse = "length"'
    rollout = Rollout(Task("1", "?", "x"), "four", prompt_ids=[5], completion_ids=[6], logprobs=[-1.0])
    with mixture_of(toml) as mixture:
        (total,) = mixture.submit([rollout]).result()
    with serve(toml) as server:
        status, answer, _ = server.ask("/score", {"rollouts": [row(rollout, total)]})
    assert status == 200
    assert without_times(answer["scores"][0]) == json.loads(json.dumps(without_times(verdict(total))))


def test_the_documented_shape_is_the_one_that_comes(serve):
    from guerdon.serving.schema import Errors, Scores

    with serve(MIX) as server:
        Scores.model_validate(server.ask("/score", {"rollouts": [{"prompt": "", "completion": ""}]})[1], strict=True)
        Errors.model_validate(server.ask("/score", {"rollouts": [{}]})[1], strict=True)
        documented = server.ask("/openapi.json")[1]["paths"]
    assert set(documented) == {"/score", "/get_reward", "/health"}
