"""The sampler `openai`: what it asks, and what it makes of the answers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from chat_server import ChatServer, changed, choice, completion, only_one, replies, says

from guerdon import DataError, GuerdonError, LiveModel, Rollout, RunFileError, Sampler, Sampling, Task, opened
from guerdon.options import build
from guerdon_vllm import OpenaiSampler

TASKS = [Task(f"t{number}", f"{number}+{number}=?") for number in range(5)]
SAMPLING = Sampling(temperature=0.7, top_p=0.9, max_completion_length=50, seed=3)
NOWHERE = Path("not looked at")


def sample(
    server: ChatServer, tasks: list[Task] = TASKS, size: int = 2, sampling: Sampling = SAMPLING, **options: Any
) -> list[list[Rollout]]:
    async def work() -> list[list[Rollout]]:
        sampler = OpenaiSampler(base_url=server.url, model="tiny", **options)
        async with opened(sampler):
            return await sampler.sample(NOWHERE, tasks, size, sampling)

    return asyncio.run(work())


def one(server: ChatServer, **options: Any) -> Rollout:
    ((rollout,),) = sample(server, TASKS[:1], 1, **options)
    return rollout


def test_groups_come_in_the_order_of_the_tasks(server: ChatServer) -> None:
    groups = sample(server)
    assert [[rollout.task for rollout in group] for group in groups] == [[task] * 2 for task in TASKS]
    expected = {(asked.prompt, says(asked.body)) for asked in server.asked}
    assert {(rollout.task.prompt, rollout.completion) for group in groups for rollout in group} == expected
    assert all(group[0].completion != group[1].completion for group in groups)
    assert not any(rollout.truncated for group in groups for rollout in group)


def test_a_text_is_sent_as_one_message_and_drawn_as_is_said(server: ChatServer) -> None:
    one(server)
    (asked,) = server.asked
    assert asked.path == "/v1/chat/completions"
    seed = asked.body.pop("seed")
    assert 0 <= seed < 2**31
    assert asked.body == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "0+0=?"}],
        "temperature": 0.7,
        "top_p": 0.9,
        "max_tokens": 50,
    }


def test_messages_are_sent_as_they_are(server: ChatServer) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    sample(server, [Task("chat", messages)], 1)
    assert server.asked[0].body["messages"] == messages


def test_a_text_may_be_completed_as_it_is(server: ChatServer) -> None:
    assert one(server, endpoint="completions").completion == says(server.asked[0].body)
    assert server.asked[0].path == "/v1/completions"
    assert server.asked[0].body["prompt"] == "0+0=?"


def test_messages_are_no_text_to_be_completed(server: ChatServer) -> None:
    tasks = [*TASKS, Task("chat", [{"role": "user", "content": "Hi"}])]
    with pytest.raises(DataError, match=r"task 'chat': its prompt is a list of messages") as caught:
        sample(server, tasks, endpoint="completions")
    assert 'endpoint = "chat"' in str(caught.value)
    assert not server.asked


def test_half_a_character_cannot_be_sent(server: ChatServer) -> None:
    with pytest.raises(DataError, match=r"task 'half': .*lone surrogate"):
        sample(server, [Task("half", "a\ud800")])


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thinking_that_comes_apart_is_put_where_it_was_thought(server: ChatServer, name: str) -> None:
    message = {"role": "assistant", "content": "\n\n4", name: "2+2 is 4"}
    server.behave = lambda *_: changed(message=message)
    rollout = one(server)
    assert rollout.completion == "<think>2+2 is 4</think>\n\n4"
    assert (rollout.thinking, rollout.answer) == ("2+2 is 4", "\n\n4")


@pytest.mark.parametrize("content", [None, ""])
def test_thinking_that_was_cut_off_has_no_answer(server: ChatServer, content: str | None) -> None:
    message = {"role": "assistant", "content": content, "reasoning_content": "2+2 is"}
    server.behave = lambda *_: changed(message=message, finish_reason="length")
    rollout = one(server)
    assert rollout.truncated
    assert (rollout.completion, rollout.thinking, rollout.answer) == ("<think>2+2 is", "2+2 is", "")


def test_a_completion_may_be_empty(server: ChatServer) -> None:
    server.behave = lambda *_: changed(message={"role": "assistant", "content": None})
    assert one(server).completion == ""


def test_what_was_cut_off_says_so(server: ChatServer) -> None:
    server.behave = lambda *_: changed(finish_reason="length")
    assert one(server).truncated


def test_log_probabilities_and_token_ids_come_where_the_server_gives_them(server: ChatServer) -> None:
    tokens = [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1}]
    server.behave = lambda *_: (
        lambda handler, body: handler.answer(
            completion(body, choice(body, logprobs={"content": tokens}, token_ids=[7, 8]))
            | {"prompt_token_ids": [1, 2]}
        )
    )
    rollout = one(server, logprobs=True, extra_body={"return_token_ids": True})
    assert (rollout.prompt_ids, rollout.completion_ids, rollout.logprobs) == ([1, 2], [7, 8], [-0.5, -1.0])
    assert server.asked[0].body["logprobs"] is True
    assert server.asked[0].body["return_token_ids"] is True


def test_log_probabilities_of_a_text(server: ChatServer) -> None:
    server.behave = lambda *_: changed(logprobs={"tokens": ["a", "b"], "token_logprobs": [-0.5, -2.0]})
    assert one(server, endpoint="completions", logprobs=True).logprobs == [-0.5, -2.0]


@pytest.mark.parametrize(
    "logprobs", [None, {}, {"content": []}, {"content": [{"token": "a"}]}, {"content": ["a"]}, {"token_logprobs": 3}]
)
def test_log_probabilities_that_are_none_are_left_away(server: ChatServer, logprobs: Any) -> None:
    server.behave = lambda *_: changed(logprobs=logprobs)
    assert one(server).logprobs is None


def test_log_probabilities_of_the_answer_alone_are_not_those_of_the_completion(server: ChatServer) -> None:
    message = {"role": "assistant", "content": "4", "reasoning_content": "2+2 is 4"}
    server.behave = lambda *_: changed(message=message, logprobs={"content": [{"token": "4", "logprob": -1.0}]})
    assert one(server).logprobs is None


def test_a_server_may_give_several_completions_at_once(server: ChatServer) -> None:
    (group,) = sample(server, TASKS[:1], 5, completions_per_request=3)
    assert sorted(asked.body.get("n", 1) for asked in server.asked) == [2, 3]
    assert len({rollout.completion for rollout in group}) == 5


def test_a_server_that_gives_one_is_asked_again(server: ChatServer) -> None:
    server.behave = lambda *_: only_one
    (group,) = sample(server, TASKS[:1], 4, completions_per_request=4)
    assert [asked.body.get("n", 1) for asked in server.asked] == [4, 3, 2, 1]
    assert len({rollout.completion for rollout in group}) == 4


def test_the_likeliest_is_asked_for_one_by_one(server: ChatServer) -> None:
    sample(server, TASKS[:1], 3, Sampling(temperature=0.0), completions_per_request=3)
    assert not any("n" in asked.body for asked in server.asked)


def test_the_same_is_asked_for_the_same_seed_whatever_is_asked_beside_it(server: ChatServer) -> None:
    first = sample(server)
    assert sample(server) == first
    assert sample(server, TASKS[::-1]) == first[::-1]
    assert sample(server, TASKS[2:3]) == first[2:3]
    assert sample(server, TASKS, 3)[4][:2] == first[4]
    other = sample(server, sampling=Sampling(0.7, 0.9, 50, seed=4))
    assert not {one.completion for group in other for one in group} & {one.completion for g in first for one in g}


def test_a_task_that_is_there_twice_is_asked_for_twice(server: ChatServer) -> None:
    one, other = sample(server, [TASKS[0], TASKS[0]])
    assert len({rollout.completion for rollout in [*one, *other]}) == 4


def test_what_a_server_refuses_can_be_left_out_and_replaced(server: ChatServer) -> None:
    one(server, leave_out=("max_tokens", "temperature", "seed"), extra_body={"max_completion_tokens": 9})
    assert server.asked[0].body.keys() == {"model", "messages", "top_p", "max_completion_tokens"}


def test_a_model_in_training_is_not_sampled_from(server: ChatServer) -> None:
    async def work() -> None:
        sampler = OpenaiSampler(base_url=server.url, model="tiny")
        async with opened(sampler):
            await sampler.sample(LiveModel(None, None), TASKS, 1, SAMPLING)

    with pytest.raises(GuerdonError, match="would say nothing of the model that is being trained"):
        asyncio.run(work())


def test_it_is_opened_before_it_is_asked(server: ChatServer) -> None:
    with pytest.raises(GuerdonError, match="is not open"):
        asyncio.run(OpenaiSampler(base_url=server.url, model="tiny").sample(NOWHERE, TASKS, 1, SAMPLING))


@pytest.mark.parametrize(
    "value", [{}, [], 3, None, {"choices": []}, {"choices": [3]}, {"choices": [{}]}, {"choices": {"0": {}}}]
)
def test_an_answer_without_a_completion_is_none(server: ChatServer, value: Any) -> None:
    server.first(1, replies(value))
    assert one(server).completion == says(server.asked[1].body)


@pytest.mark.parametrize(
    "changes",
    [
        {"finish_reason": None},
        {"finish_reason": "insufficient_system_resource"},
        {"finish_reason": "abort"},
        {"message": None},
        {"message": {"content": 3}},
        {"message": {"content": "", "reasoning_content": ["x"]}},
    ],
)
def test_a_choice_that_is_no_completion_is_asked_for_again(server: ChatServer, changes: dict[str, Any]) -> None:
    server.first(1, changed(**changes))
    assert one(server).completion == says(server.asked[1].body)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "sampler.base_url: is required"),
        ({"base_url": "localhost:8000"}, "no address that begins with http://"),
        ({"base_url": "http://"}, "no address that begins with http://"),
        ({"base_url": "http://me:secret-1@host/v1"}, "a key has no place in it"),
        ({"base_url": "http://host/v1?key=secret-1"}, "a key has no place in it"),
        ({"api_key_env": "secret-1"}, "is the name of an environment variable, and not the key itself"),
        ({"api_key": "secret-1"}, "sampler.api_key: no such option"),
        ({"extra_body": {"n": 3}}, "extra_body: `n` is not for you to set"),
        ({"extra_body": {"seed": 3}}, "extra_body: `seed` is not for you to set"),
        ({"leave_out": ["model"]}, "sampler.leave_out"),
        ({"concurrency": 0}, "sampler.concurrency"),
        ({"endpoint": "responses"}, "sampler.endpoint"),
    ],
)
def test_options_that_make_no_sense_are_refused_without_repeating_a_key(
    options: dict[str, Any], complaint: str
) -> None:
    usual = {"use": "openai", "model": "tiny"} | ({"base_url": "http://host/v1"} if options else {})
    with pytest.raises(RunFileError) as caught:
        build(Sampler, usual | options, "sampler")
    assert complaint in str(caught.value)
    assert "secret" not in str(caught.value)


def test_its_options_survive_a_round_trip() -> None:
    options = {"use": "openai", "base_url": "http://host/v1", "model": "m", "cache": "c", "extra_body": {"top_k": 2}}
    plug = build(Sampler, options, "sampler")
    assert build(Sampler, {"use": plug.name, **plug.model_dump(mode="json", exclude_none=True)}, "sampler") == plug
