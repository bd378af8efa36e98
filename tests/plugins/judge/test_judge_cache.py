"""The cache of judges: nothing is asked twice, whatever ended a run."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from chat_server import Handler, fails
from judge_server import JudgeServer, answers_of, at, said, says, scores, settled

from guerdon import Unavailable
from guerdon_judge import Judge, JudgeModel, JudgePairs

SCRIPT = """
import sys
from pathlib import Path
from guerdon import Mixture, Rollout, Task, Term
from guerdon_judge import Judge, JudgeModel

model = JudgeModel(base_url=sys.argv[1], model="tiny", concurrency=4)
reward = Judge(judges=(model,), cache=Path(sys.argv[2]))
task = Task("t", "What is 6 x 7?", ground_truth="42")
with Mixture([Term("judged", reward)], workers=1) as mixture:
    totals = mixture.submit([Rollout(task, str(number)) for number in range(60)]).result()
    print([total.value for total in totals])
"""


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "verdicts.sqlite"


def grader(server: JudgeServer, cache: Path, **options: Any) -> Judge:
    model = JudgeModel(**at(server, model=options.pop("model", "tiny"), max_retries=0, prompt_price=1.0))
    return Judge(judges=(model,), cache=cache, **options)


def test_what_was_asked_once_is_not_asked_again_and_costs_nothing(server: JudgeServer, cache: Path) -> None:
    first = scores(grader(server, cache), "1", "2", "3")
    assert len(server.asked) == 3
    again = scores(grader(server, cache), "3", "2", "1")
    assert len(server.asked) == 3
    assert [(score.value, score.reason) for score in again] == [(score.value, score.reason) for score in first[::-1]]
    assert (first[0].evidence["cost"], again[0].evidence["cost"]) == (3e-6, 0)


def test_pairs_are_kept_too(server: JudgeServer, cache: Path) -> None:
    reward = JudgePairs(judges=(JudgeModel(**at(server)),), cache=cache)
    scores(reward, "1", "2", "3")
    assert len(server.asked) == 6
    scores(reward, "1", "2", "3", "4")
    assert len(server.asked) == 12


def test_the_same_is_asked_once_at_a_time(server: JudgeServer, cache: Path) -> None:
    scores(JudgePairs(judges=(JudgeModel(**at(server)),), cache=cache), "x", "y", "x", "y")
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "other", [{"model": "another"}, {"highest": 5}, {"times": 2}, {"instructions": "Be kind."}, {"scope": "completion"}]
)
def test_another_question_is_asked_anew(server: JudgeServer, cache: Path, other: dict[str, Any]) -> None:
    server.usual = 3
    settled(grader(server, cache), "<think>a</think>1")
    settled(grader(server, cache, **other), "<think>a</think>1")
    assert len(server.asked) == 2


def test_a_completion_that_was_blamed_stays_blamed_at_no_cost(server: JudgeServer, cache: Path) -> None:
    server.about("poison", says("hm"))
    (first,) = scores(grader(server, cache), "poison")
    before = len(server.asked)
    (again,) = scores(grader(server, cache), "poison")
    assert (first.value, again.value, len(server.asked)) == (0.0, 0.0, before)


def test_a_judge_who_was_away_is_asked_again(server: JudgeServer, cache: Path) -> None:
    server.behave = lambda *_: fails(500)
    with pytest.raises(Unavailable):
        settled(grader(server, cache), "42")
    server.behave = lambda *_: server.judges
    assert settled(grader(server, cache), "42")[0].value == 0.7


def test_a_control_is_never_from_the_cache(server: JudgeServer, cache: Path) -> None:
    server.about("poison", says("hm"))
    scores(grader(server, cache), "poison 1", "poison 2")
    controls = [asked for asked in server.asked if answers_of(asked.body) == ["I do not know the answer."]]
    assert len(controls) == 2


@pytest.mark.slow
def test_after_a_kill_it_goes_on_where_it_was(server: JudgeServer, cache: Path, tmp_path: Path) -> None:
    def slow(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(0.05)
        handler.answer(said(body, server.verdict(body)))

    server.behave = lambda *_: slow
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), server.url, str(cache)]
    for _ in range(2):
        before = len(server.asked)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while len(server.asked) < before + 12:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.3)
    subprocess.run(command, check=True, stdout=subprocess.PIPE)
    times = Counter(answers_of(asked.body)[0] for asked in server.asked)
    assert len(times) == 60
    # four at a time were under way when each of the two kills came
    assert sum(times.values()) - 60 <= 8
    before = len(server.asked)
    subprocess.run(command, check=True, stdout=subprocess.PIPE)
    assert len(server.asked) == before
