"""The reward `judge`, when the judge is away, busy, slow, refuses, or replies with what is no verdict."""

import asyncio
import json
import logging
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chat_server import Behaviour, Handler, cut, fails, hang_up, writes
from judge_server import JudgeServer, at, canary_of, said, says, scores, settled

from guerdon import Outcome, Score, Unavailable, opened
from guerdon_judge import Judge, JudgeModel

KEY = "sk-very-secret-0123456789"


def grader(server: JudgeServer | str, total_timeout: float = 30.0, **options: Any) -> Judge:
    where = {"base_url": server, "model": "tiny"} if isinstance(server, str) else at(server)
    return Judge(judges=(JudgeModel(**{**where, "max_retries": 3, **options}),), total_timeout=total_timeout)


def only(reward: Judge, completion: str = "42") -> Score:
    (score,) = scores(reward, completion)
    return score


def marks(make: Callable[[str], Any]) -> Behaviour:
    """Replies with this JSON, made with the right canary."""
    return lambda handler, body: handler.answer(said(body, json.dumps(make(canary_of(body)))))


def enormous(handler: Handler, body: dict[str, Any]) -> None:
    handler.answer(said(body, "x" * (5 << 20)))


TRANSPORT: dict[str, Behaviour] = {
    "internal error": fails(500),
    "too many requests": fails(429),
    "cut": cut,
    "no answer": hang_up,
    "no JSON": writes("<html>hello"),
    "wrong schema": lambda handler, body: handler.answer({"choices": [{"message": {"content": 3}}]}),
    "a choice that is none": lambda handler, body: handler.answer({"choices": [3]}),
    "a list": lambda handler, body: handler.answer([]),
}


@pytest.mark.parametrize("behaviour", TRANSPORT.values(), ids=TRANSPORT)
def test_a_failure_of_transport_is_repeated_and_then_unavailable(server: JudgeServer, behaviour: Behaviour) -> None:
    server.behave = lambda number, asked: behaviour if number < 3 else server.judges
    assert only(grader(server)).value == 0.7
    server.behave = lambda *_: behaviour
    score = only(grader(server))
    assert score.outcome is Outcome.UNAVAILABLE
    assert score.reason.startswith("transport: ")
    assert len(server.asked) == 4 + 4


def test_a_key_that_is_refused_is_unavailable_at_once(server: JudgeServer) -> None:
    server.behave = lambda *_: fails(401, "no key")
    assert "it is not set" in only(grader(server)).reason
    assert len(server.asked) == 1


CAUSED: dict[str, tuple[str, Behaviour]] = {
    "a refusal": ("refusal", says(None, refusal="I cannot judge that.")),
    "a filter": ("refusal", says("", finish_reason="content_filter")),
    "too long": ("too long", says('{"canary": "', finish_reason="length")),
    "enormous": ("request not taken", enormous),
    "a request that is refused": ("request not taken", fails(400, "maximum context length is 8 tokens")),
    "prose": ("unparseable", says("I would give it a 9.")),
    "nothing": ("unparseable", says("")),
    "no canary": ("unparseable", says('{"marks": {"agreement": 10}}')),
    "a wrong canary": ("unparseable", marks(lambda canary: {"canary": canary[::-1], "marks": {"agreement": 10}})),
    "no marks": ("unparseable", marks(lambda canary: {"canary": canary})),
    "another mark": ("unparseable", marks(lambda canary: {"canary": canary, "marks": {"beauty": 10}})),
    "a mark in words": ("unparseable", marks(lambda canary: {"canary": canary, "marks": {"agreement": "ten"}})),
    "a mark that is true": ("unparseable", marks(lambda canary: {"canary": canary, "marks": {"agreement": True}})),
    "not a number": ("unparseable", marks(lambda canary: {"canary": canary, "marks": {"agreement": float("nan")}})),
    "too high": ("out of range", marks(lambda canary: {"canary": canary, "marks": {"agreement": 11}})),
    "far too high": ("out of range", marks(lambda canary: {"canary": canary, "marks": {"agreement": 10**400}})),
    "too low": ("out of range", marks(lambda canary: {"canary": canary, "marks": {"agreement": -1}})),
}


@pytest.mark.parametrize(("kind", "behaviour"), CAUSED.values(), ids=CAUSED)
def test_what_a_completion_causes_again_and_again_earns_the_lowest_mark(
    server: JudgeServer, kind: str, behaviour: Behaviour
) -> None:
    server.about("poison", behaviour)
    bad, good = scores(grader(server), "poison", "42")
    assert good.value == 0.7
    assert bad.value == 0.0
    assert kind in bad.reason
    assert "while a harmless answer is judged well" in bad.reason
    assert bad.evidence["judges"][0]["verdicts"][0]["failure"] == kind


@pytest.mark.parametrize(("kind", "behaviour"), CAUSED.values(), ids=CAUSED)
def test_a_judge_who_does_that_to_everybody_is_unavailable(
    server: JudgeServer, kind: str, behaviour: Behaviour
) -> None:
    server.behave = lambda *_: behaviour
    score = only(grader(server))
    assert score.outcome is Outcome.UNAVAILABLE
    assert kind in score.reason
    assert "not even of a harmless answer" in score.reason


@pytest.mark.parametrize(("kind", "behaviour"), list(CAUSED.values())[5:], ids=list(CAUSED)[5:])
def test_a_reply_that_is_no_verdict_once_is_asked_for_again(
    server: JudgeServer, kind: str, behaviour: Behaviour
) -> None:
    server.behave = lambda number, asked: behaviour if number < 2 else server.judges
    assert only(grader(server)).value == 0.7
    assert len({asked.body["seed"] for asked in server.asked}) == 3


def test_two_verdicts_that_differ_are_none(server: JudgeServer) -> None:
    def twice(handler: Handler, body: dict[str, Any]) -> None:
        text = server.verdict(body)
        handler.answer(said(body, text + "\n" + text.replace('"mark": 7', '"mark": 9')))

    server.about("poison", twice)
    assert only(grader(server), "poison").value == 0.0


def test_an_endpoint_that_is_not_there() -> None:
    with pytest.raises(Unavailable, match="cannot be reached"):
        settled(grader("http://127.0.0.1:9/v1", max_retries=0), "42")


def test_a_server_that_says_when_to_come_back_is_left_alone_until_then(server: JudgeServer) -> None:
    server.behave = lambda number, asked: fails(429, Retry_After="0.6") if number == 0 else server.judges
    assert only(grader(server)).value == 0.7
    assert server.asked[1].at - server.asked[0].at >= 0.59


def test_a_pause_that_is_longer_than_all_the_time_there_is_is_not_made(server: JudgeServer) -> None:
    server.behave = lambda *_: fails(429, "later", Retry_After="60")
    begun = time.monotonic()
    score = only(grader(server, total_timeout=5.0))
    assert time.monotonic() - begun < 5
    assert "gives no answer within the 5 s that there are in all" in score.reason
    assert "429: later" in score.reason


def test_a_slow_server_is_given_up_when_the_time_is_up(server: JudgeServer) -> None:
    def slow(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(1.5)
        server.judges(handler, body)

    server.behave = lambda *_: slow
    score = only(grader(server, total_timeout=0.4))
    assert score.outcome is Outcome.UNAVAILABLE
    assert "within the 0.4 s" in score.reason


def test_waiting_for_a_turn_takes_none_of_the_time(server: JudgeServer) -> None:
    reward = grader(server, total_timeout=1.0, requests_per_minute=120)
    found = scores(reward, *"abcdef")
    assert {score.value for score in found} == {0.7}
    assert server.asked[-1].at - server.asked[0].at > 2


def test_no_more_requests_are_waited_for_than_was_said(server: JudgeServer) -> None:
    def slow(handler: Handler, body: dict[str, Any]) -> None:
        time.sleep(0.05)
        server.judges(handler, body)

    server.behave = lambda *_: slow
    scores(grader(server, concurrency=3), *map(str, range(24)))
    assert server.most_at_once == 3


def test_a_key_is_sent_and_never_told(
    server: JudgeServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", KEY)
    judge = JudgeModel(**at(server, api_key_env="MY_KEY", max_retries=0))
    reward = Judge(judges=(judge,), cache=tmp_path / "cache")
    server.behave = lambda number, asked: server.judges if number else fails(500, f"bad key {KEY}")
    found = scores(reward, "41", "42")
    assert {asked.headers["authorization"] for asked in server.asked} == {f"Bearer {KEY}"}
    told = repr([reward, found, reward.model_dump_json()]) + caplog.text
    assert "500" in told
    assert KEY not in told
    assert not [file for file in tmp_path.iterdir() if KEY.encode() in file.read_bytes()]


def test_an_open_endpoint_does_not_show_the_key(server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    async def work() -> str:
        reward = grader(server)
        async with opened(reward):
            return repr(reward) + repr(reward._open)

    assert KEY not in asyncio.run(work())


def test_with_every_fault_at_once_each_sample_ends_in_a_score_or_a_reason(server: JudgeServer) -> None:
    """20 % errors, 10 % cut connections, 10 % replies that are no verdict."""
    faults = {0: fails(500), 3: fails(500), 5: cut, 8: says("hm")}
    server.behave = lambda number, asked: faults.get(random.Random(number).randrange(10), server.judges)
    found = scores(grader(server, max_retries=8), *map(str, range(200)))
    assert {score.value for score in found} == {0.7}
