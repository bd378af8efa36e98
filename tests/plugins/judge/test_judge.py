"""The reward `judge`: what it asks, and what it makes of the answers."""

import json
from typing import Any

import pytest
from chat_server import fails
from judge_server import TASK, JudgeServer, at, canary_of, parts_of, said, scores, system_of

from guerdon import Outcome, Reward, Rollout, RunFileError, Task
from guerdon.options import build
from guerdon.testing import check_reward
from guerdon_judge import Criterion, Judge, JudgeModel

HELPFUL = [Criterion(name="helpful", what="does it help?", weight=3), Criterion(name="kind", what="is it kind?")]


def grader(server: JudgeServer, **options: Any) -> Judge:
    return Judge(judges=(JudgeModel(**at(server)),), **options)


def test_an_answer_is_graded_against_the_truth(server: JudgeServer) -> None:
    (score,) = scores(grader(server), "<think>six sevens</think>It is 42.")
    assert score.value == 0.7
    assert score.reason == "tiny: 0.7: agreement 7 of 10, because of agreement"
    assert server.parts == [{"task": "What is 6 × 7?", "reference": "42", "answer": "It is 42."}]


def test_all_of_a_completion_is_shown_where_that_is_the_scope(server: JudgeServer) -> None:
    scores(grader(server, scope="completion"), "<think>six sevens</think>It is 42.")
    assert server.parts[0]["answer"] == "<think>six sevens</think>It is 42."


@pytest.mark.parametrize("completion", ["", " \n", "<think>never closed"])
def test_an_empty_answer_earns_nothing_and_costs_nothing(server: JudgeServer, completion: str) -> None:
    assert scores(grader(server), completion)[0].value == 0.0
    assert not server.asked


def test_a_task_without_a_truth_cannot_be_graded(server: JudgeServer) -> None:
    (score,) = scores(grader(server), "42", task=Task("t", "?"))
    assert score.outcome is Outcome.BAD_GROUND_TRUTH
    assert not [parts for parts in server.parts if parts.get("reference")]


def test_a_truth_may_be_any_json(server: JudgeServer) -> None:
    scores(grader(server), "42", task=Task("t", "?", ground_truth={"x": [1, "é"]}))
    assert server.parts[0]["reference"] == '{"x": [1, "é"]}'


def test_a_rubric_weighs_its_criteria_and_tells_each_mark_and_reason(server: JudgeServer) -> None:
    server.rule = lambda parts: {"helpful": 10, "kind": 2}
    (score,) = scores(grader(server, mode="rubric", criteria=HELPFUL), "42", task=Task("t", "?"))
    assert score.value == pytest.approx((3 * 10 + 2) / 40)
    (judged,) = score.evidence["judges"]
    assert judged["verdicts"][0]["marks"]["kind"] == {"mark": 2, "reason": "because of kind"}
    assert "- helpful: does it help?" in system_of(server.asked[0].body)
    assert "reference" not in server.parts[0]


def test_marks_go_up_to_the_highest(server: JudgeServer) -> None:
    server.usual = 1
    assert scores(grader(server, highest=1), "42")[0].value == 1.0
    assert server.asked[0].body["response_format"]["json_schema"]["schema"]["properties"]["marks"] == {
        "type": "object",
        "properties": {
            "agreement": {
                "type": "object",
                "properties": {
                    "reason": {"type": "string"},
                    "mark": {"type": "integer", "minimum": 0, "maximum": 1},
                },
                "required": ["reason", "mark"],
                "additionalProperties": False,
            }
        },
        "required": ["agreement"],
        "additionalProperties": False,
    }


def test_a_conversation_is_shown_with_its_roles(server: JudgeServer) -> None:
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "6 × 7?"}]
    scores(grader(server), "42", task=Task("t", prompt, ground_truth="42"))
    assert server.parts[0]["task"] == "system: Be brief.\n\nuser: 6 × 7?"


def test_what_the_user_says_besides_is_told_to_the_judge(server: JudgeServer) -> None:
    scores(grader(server, instructions="The tasks are sums."), "42")
    assert "The tasks are sums." in system_of(server.asked[0].body)


@pytest.mark.parametrize(("vote", "value"), [("mean", 0.4), ("median", 0.2), ("majority", 0.0)])
def test_several_judges_vote(server: JudgeServer, vote: str, value: float) -> None:
    marks = {"one": 2, "two": 1, "three": 9}
    server.behave = lambda number, asked: (
        lambda handler, body: handler.answer(
            said(body, json.dumps({"canary": canary_of(body), "marks": {"agreement": marks[body["model"]]}}))
        )
    )
    panel = tuple(JudgeModel(**at(server, model=name)) for name in marks)
    (score,) = scores(Judge(judges=panel, vote=vote), "42")
    assert score.value == pytest.approx(value)
    assert [judge["value"] for judge in score.evidence["judges"]] == [0.2, 0.1, 0.9]
    assert score.reason.startswith(f"{vote} of 3 judges: one: 0.2: agreement 2 of 10 | two: 0.1")


def test_a_judge_may_be_asked_several_times_with_another_seed_each(server: JudgeServer) -> None:
    server.behave = lambda number, asked: (
        lambda handler, body: handler.answer(
            said(body, json.dumps({"canary": canary_of(body), "marks": {"agreement": number}}))
        )
    )
    (score,) = scores(grader(server, times=4), "42")
    assert score.value == pytest.approx(0.15)
    assert len({asked.body["seed"] for asked in server.asked}) == 4


def test_tokens_and_cost_are_told(server: JudgeServer) -> None:
    judge = JudgeModel(**at(server, prompt_price=1.0, completion_price=2.0))
    (score,) = scores(Judge(judges=(judge,), times=2), "42")
    spent = {name: score.evidence[name] for name in ("requests", "prompt_tokens", "completion_tokens", "cost")}
    assert spent == {"requests": 2, "prompt_tokens": 6, "completion_tokens": 14, "cost": pytest.approx(34e-6)}


def test_a_server_without_schemas_is_asked_without_from_then_on(server: JudgeServer) -> None:
    server.behave = lambda number, asked: (
        fails(400, "This response_format type is unavailable now") if "response_format" in asked.body else server.judges
    )
    reward = Judge(judges=(JudgeModel(**at(server, concurrency=1)),))
    assert [score.value for score in scores(reward, *"abcdefghij")] == [0.7] * 10
    assert len(server.asked) <= 10 + 2, "no more than were under way are refused"


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "```json\n{}\n```",
        "Here is my verdict:\n\n{}\n\nI hope that it helps.",
        "<think>It could be { or }. A draft: {}</think>\n{}",
        'The answer held {{"marks": 10}}, which is none of mine.\n{}',
    ],
)
def test_a_verdict_is_found_in_what_is_written_around_it(server: JudgeServer, around: str) -> None:
    template = around.replace("{{", "⟦").replace("}}", "⟧")

    def chatty(handler: Any, body: dict[str, Any]) -> None:
        text = template.replace("{}", server.verdict(body)).replace("⟦", "{").replace("⟧", "}")
        handler.answer(said(body, text))

    server.behave = lambda *_: chatty
    assert scores(grader(server), "42")[0].value == 0.7
    assert len(server.asked) == 1


def test_no_two_requests_share_a_canary_or_a_boundary(server: JudgeServer) -> None:
    scores(grader(server, times=3), "1", "2")
    canaries = {canary_of(asked.body) for asked in server.asked}
    assert len(canaries) == 6
    assert not [asked for asked in server.asked if canary_of(asked.body) in asked.body["messages"][1]["content"]]


def test_it_keeps_the_contract_of_a_reward(server: JudgeServer) -> None:
    server.rule = lambda parts: {"agreement": 10 if parts["answer"].strip() in (parts["reference"], "right") else 1}
    check_reward(grader(server), right=[Rollout(TASK, "42"), Rollout(TASK, "right")], wrong=[Rollout(TASK, "41")])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "rewards.j.judges: is required"),
        ({"judges": []}, "rewards.j.judges"),
        ({"judges": [{"base_url": "http://h/v1"}]}, "rewards.j.judges.0.model: is required"),
        (
            {"judges": [{"base_url": "http://h/v1", "modle": "m"}]},
            "rewards.j.judges.0.modle: no such option; did you mean 'model'?",
        ),
        ({"judges": [{"base_url": "http://me:secret-1@h/v1", "model": "m"}]}, "a key has no place in it"),
        ({"judges": [{"base_url": "http://h", "model": "m", "api_key_env": "secret-1"}]}, "and not the key itself"),
        ({"mode": "rubric"}, "`rubric` needs at least one"),
        ({"criteria": [{"name": "a", "what": "b"}]}, "`grade` takes none"),
        ({"mode": "rubric", "criteria": [{"name": "a", "what": "b"}, {"name": "a", "what": "c"}]}, "two have one name"),
    ],
)
def test_options_that_make_no_sense_are_refused_without_repeating_a_key(
    options: dict[str, Any], complaint: str
) -> None:
    usual = {"use": "judge"} | ({"judges": [{"base_url": "http://h/v1", "model": "m"}]} if options else {})
    with pytest.raises(RunFileError) as caught:
        build(Reward, usual | options, "rewards.j")
    assert complaint in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_seal_stands_around_every_part(server: JudgeServer) -> None:
    scores(grader(server), "42")
    assert set(parts_of(server.asked[0].body)) == {"task", "reference", "answer"}
