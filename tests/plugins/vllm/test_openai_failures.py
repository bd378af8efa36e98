"""The sampler `openai`, when the endpoint is busy, broken, slow, gone, or wants to be paid."""

import asyncio
import logging
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from chat_server import Behaviour, ChatServer, completion, cut, fails, hang_up, says, slow, writes

from guerdon import GuerdonError, Rollout, Sampling, Task, opened
from guerdon.endpoints import Allowance, asking
from guerdon_vllm import OpenaiSampler

TASKS = [Task(f"t{number}", f"{number}+{number}=?") for number in range(6)]
KEY = "sk-very-secret-0123456789"


def sample(server: ChatServer | str, tasks: list[Task] = TASKS, size: int = 1, **options: Any) -> list[list[Rollout]]:
    async def work() -> list[list[Rollout]]:
        url = server if isinstance(server, str) else server.url
        sampler = OpenaiSampler(base_url=url, model="tiny", **options)
        async with opened(sampler):
            return await sampler.sample(Path("-"), tasks, size, Sampling(max_completion_length=40))

    return asyncio.run(work())


def complaint(server: ChatServer | str, **options: Any) -> str:
    with pytest.raises(GuerdonError) as caught:
        sample(server, **{"max_retries": 2, **options})
    assert caught.value.where.startswith("task 't")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


FOR_NOW: dict[str, Behaviour] = {
    "too many requests": fails(429),
    "too many requests, and when to come back": fails(429, Retry_After="0.01"),
    "a retry-after that makes no sense": fails(429, Retry_After="soon"),
    "internal error": fails(500),
    "bad gateway": fails(502),
    "an error that is no JSON": lambda handler, body: handler.text("<html>upstream</html>", 503),
    "timeout of the server": fails(408),
    "half an answer": cut,
    "no answer": hang_up,
    "no JSON": writes("<html>hello</html>"),
    "an empty answer": writes(""),
    "a JSON that is cut": writes('{"choices": [{"index": 0, '),
    "a JSON without end": writes("[" * 100_000),
}


@pytest.mark.parametrize("behaviour", FOR_NOW.values(), ids=FOR_NOW)
def test_what_fails_for_now_is_asked_again(server: ChatServer, behaviour: Behaviour) -> None:
    server.first(5, behaviour)
    groups = sample(server)
    assert len(server.asked) == len(TASKS) + 5
    right = {asked.prompt: says(asked.body) for asked in server.asked}
    assert {rollout.task.prompt: rollout.completion for (rollout,) in groups} == right


def test_what_comes_too_late_is_asked_again(server: ChatServer) -> None:
    server.first(1, slow(20))
    ((rollout,),) = sample(server, TASKS[:1], timeout=2.0)
    assert rollout.completion == says(server.asked[-1].body)
    assert len(server.asked) > 1


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (fails(429, "slow down"), "asks to come later, 3 times (429: slow down); set `requests_per_minute`"),
        (fails(503, "overloaded"), "fails, 3 times (503: overloaded)"),
        (writes("<html>hello"), "is no JSON: <html>hello, 3 times; see whether `base_url`"),
        (cut, "cannot be reached"),
    ],
)
def test_what_fails_for_good_names_the_task(server: ChatServer, behaviour: Behaviour, said: str) -> None:
    server.behave = lambda *_: behaviour
    text = complaint(server)
    assert said in text
    assert server.url in text


def test_what_always_comes_too_late_names_the_task(server: ChatServer) -> None:
    server.behave = lambda *_: slow(3)
    assert "gives no answer in time, 3 times; raise `timeout`" in complaint(server, timeout=0.2)


def test_an_endpoint_that_is_not_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        text = complaint(url, max_retries=1)
    assert f"{url} cannot be reached" in text
    assert "see whether it is running" in text


def test_a_key_that_is_not_set(server: ChatServer) -> None:
    server.behave = lambda *_: fails(401, "no key")
    text = complaint(server, api_key_env="MY_KEY")
    assert "refuses the key (401: no key); the key is taken from the environment variable MY_KEY; it is not set" in text
    assert len(server.asked) <= len(TASKS), "nothing is repeated"


def test_a_key_that_is_wrong_is_never_repeated(
    server: ChatServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", KEY)
    server.behave = lambda *_: fails(401, f"Incorrect API key provided: {KEY}")
    text = complaint(server, api_key_env="MY_KEY", cache=tmp_path / "cache")
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert "Incorrect API key provided: …" in text
    assert KEY not in text
    assert KEY not in caplog.text
    assert not [file for file in tmp_path.iterdir() if KEY.encode() in file.read_bytes()]


def test_a_server_that_writes_the_key_into_nonsense(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    for padding in range(280, 300):
        server.behave = lambda *_, before=padding: writes("x" * before + KEY)  # wherever it is cut off
        assert KEY[:8] not in complaint(server, max_retries=0)


def test_a_model_that_is_not_served(server: ChatServer) -> None:
    server.behave = lambda *_: fails(404, "The model `tiny` does not exist.")
    text = complaint(server)
    assert "does not know what is asked for (404: The model `tiny` does not exist.); look at `model`" in text


@pytest.mark.parametrize("behaviour", [fails(402, "Insufficient Balance"), fails(429, "quota", "insufficient_quota")])
def test_an_account_that_is_empty_is_not_asked_again(server: ChatServer, behaviour: Behaviour) -> None:
    server.behave = lambda *_: behaviour
    assert "wants to be paid" in complaint(server)
    assert len(server.asked) <= len(TASKS)


def test_one_task_that_is_refused_leaves_the_others_done(server: ChatServer, tmp_path: Path) -> None:
    bad = {"1+1=?", "4+4=?"}
    server.behave = lambda number, asked: fails(400, "too long") if asked.prompt in bad else None
    cache = tmp_path / "cache"
    text = complaint(server, cache=cache, concurrency=1)
    assert text.startswith("task 't1': ")
    assert "refuses the request (400: too long) (and of 1 more task)" in text
    assert f"what was completed is kept in {cache}" in text
    assert [asked.prompt for asked in server.asked] == [task.prompt for task in TASKS]
    before = len(server.asked)
    sample(server, [task for task in TASKS if task.prompt not in bad], cache=cache)
    assert len(server.asked) == before


def test_what_others_would_meet_too_stops_the_others(server: ChatServer) -> None:
    server.behave = lambda number, asked: fails(401) if number else None
    complaint(server, concurrency=1)
    assert len(server.asked) == 2


def test_nobody_waits_for_a_turn_that_would_be_of_no_use(server: ChatServer) -> None:
    server.behave = lambda *_: fails(401)
    begun = time.monotonic()
    complaint(server, requests_per_minute=1)
    assert time.monotonic() - begun < 10
    assert len(server.asked) == 1


def test_what_is_under_way_when_one_fails_is_still_kept(server: ChatServer, tmp_path: Path) -> None:
    server.behave = lambda number, asked: fails(401) if asked.prompt == "3+3=?" else slow(0.5)
    complaint(server, cache=tmp_path / "cache", concurrency=4)
    assert len(server.asked) == 4
    server.behave = lambda number, asked: None
    sample(server, cache=tmp_path / "cache")
    assert len(server.asked) == 4 + 3


def test_without_a_cache_it_says_how_to_have_one(server: ChatServer) -> None:
    server.behave = lambda *_: fails(401)
    assert "set `cache` to a file" in complaint(server)


def test_a_server_that_says_when_to_come_back_is_left_alone_until_then(server: ChatServer) -> None:
    server.first(1, fails(429, Retry_After="0.7"))
    sample(server, TASKS, concurrency=1)
    times = [asked.at for asked in server.asked]
    assert 0.69 <= times[1] - times[0] < 3
    assert len(times) == len(TASKS) + 1


def test_a_date_to_come_back_at_is_understood() -> None:
    from email.utils import formatdate

    soon = asking._retry_after({"retry-after": formatdate(time.time() + 20, usegmt=True)})
    assert soon is not None
    assert 17 < soon <= 20
    assert asking._retry_after({"retry-after": formatdate(time.time() - 20, usegmt=True)}) is None
    assert asking._retry_after({"retry-after": "nan"}) is None


def test_nobody_waits_for_a_day(server: ChatServer) -> None:
    server.behave = lambda *_: fails(429, "come back tomorrow", Retry_After="86400")
    begun = time.monotonic()
    assert "come back tomorrow" in complaint(server)
    assert time.monotonic() - begun < 5


def test_no_more_requests_are_waited_for_than_was_said(server: ChatServer) -> None:
    server.behave = lambda *_: slow(0.05)
    sample(server, TASKS, 4, concurrency=3)
    assert server.most_at_once == 3


def test_requests_keep_to_their_rate_and_so_do_repeated_ones(server: ChatServer) -> None:
    server.first(3, fails(500))
    sample(server, TASKS, requests_per_minute=600)
    times = [asked.at for asked in server.asked]
    assert len(times) == len(TASKS) + 3
    assert times[-1] - times[0] >= 0.1 * (len(times) - 1) - 0.05


def test_tokens_keep_to_their_rate(server: ChatServer) -> None:
    """What is used counts in the end, and what might be used until then."""

    def heavy(handler: Any, body: dict[str, Any]) -> None:
        from chat_server import choice

        handler.answer(completion(body, choice(body), tokens=100))

    server.behave = lambda *_: heavy
    sample(server, TASKS, tokens_per_minute=60_000)  # a thousand a second, so that 100 take a tenth
    times = [asked.at for asked in server.asked]
    assert times[-1] - times[0] >= 0.1 * (len(times) - 1) - 0.05


def test_tokens_that_were_not_used_are_waited_for_by_nobody() -> None:
    async def work() -> float:
        allowance = Allowance(60)
        begun = time.monotonic()
        taken = await allowance.take(lambda: 1000)
        assert taken == 60, "more than a minute's cannot be had"
        waiting = asyncio.create_task(allowance.take(lambda: 1))
        await asyncio.sleep(0.05)
        assert not waiting.done()
        allowance.give_back(taken)
        await waiting
        return time.monotonic() - begun

    assert asyncio.run(work()) < 2


def test_an_interrupted_call_leaves_no_requests_behind(server: ChatServer) -> None:
    server.behave = lambda *_: slow(5)

    async def work() -> None:
        sampler = OpenaiSampler(base_url=server.url, model="tiny")
        async with opened(sampler):
            await asyncio.wait_for(sampler.sample(Path("-"), TASKS, 1, Sampling()), 0.3)

    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(work())
    assert time.monotonic() - begun < 3
