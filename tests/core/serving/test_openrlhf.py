"""OpenRLHF's own client asks `/get_reward`: the executor of 0.11.2 that posts what it sampled to a URL."""

import asyncio
import dataclasses
import json
import urllib.parse
from types import SimpleNamespace

import pytest
from corpora import load, math_rollout
from openrlhf.utils import agent

from guerdon import Mixture, Rollout, Task, Term
from guerdon.serving.get_reward import completion_of, row_of_label
from guerdon_format import ThinkTags
from guerdon_local.deepseek_v3 import DeepseekV3
from guerdon_math import BoxedMath

MIX = """
[rewards.format]
use = "think-tags"
weight = 0.5

[rewards.math]
use = "boxed-math"
"""


class Engine:
    """Completes a prompt with a text that it is given, in the shape in which vLLM answers."""

    def __init__(self, tokenizer, text):
        self.tokenizer, self.text = tokenizer, text

    async def generate(self, ids, params, multi_modal_data=None):
        tokens = self.tokenizer.encode(self.text, add_special_tokens=False)
        tokens += [self.tokenizer.eos_token_id, self.tokenizer.pad_token_id, self.tokenizer.pad_token_id]
        answer = SimpleNamespace(token_ids=tokens, text=self.text, finish_reason="stop", logprobs=None)
        return SimpleNamespace(outputs=[answer])


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(DeepseekV3().checkpoint(tmp_path_factory.mktemp("policy")))


def executed(url, tokenizer, asked):
    """What the executor makes of each (prompt, completion, label), all at once."""
    executor = agent.SingleTurnAgentExecutor(remote_rm_url=[f"{url}/get_reward"])
    params = SimpleNamespace(max_tokens=100_000, logprobs=None)

    async def run():
        executions = [
            executor.execute(prompt, label, params, 10**6, tokenizer, Engine(tokenizer, completion))
            for prompt, completion, label in asked
        ]
        return await asyncio.gather(*executions)

    return asyncio.run(run())


def labelled(task, prefill=""):
    return json.dumps({"question": 3, "prefill": prefill, "task": dataclasses.asdict(task)})


def test_the_executor_is_told_what_the_mixture_says(serve, tokenizer):
    asked = []
    for item in load("math/dev"):
        rollout = math_rollout(item)
        completion = f"<think>so</think><answer>{rollout.completion}</answer>"
        # The small tokenizer can write down only some of them.
        if tokenizer.decode(tokenizer.encode(completion, add_special_tokens=False)) == completion:
            task = dataclasses.replace(rollout.task, prompt="What is it?")
            asked.append(Rollout(task, completion, prompt_ids=()))
    asked = asked[:60]
    assert len(asked) == 60
    with Mixture([Term("format", ThinkTags(), 0.5), Term("math", BoxedMath())]) as mixture:
        expected = mixture.submit(asked).result()
    with serve(MIX) as server:
        told = executed(server.url, tokenizer, [(one.task.prompt, one.completion, labelled(one.task)) for one in asked])
    for output, total in zip(told, expected, strict=True):
        assert (output["reward"], output["scores"]) == (total.value, total.value)
        terms = {f"rewards/{name}": term.score.value for name, term in total.terms.items()}
        assert output["extra_logs"] == {**terms, "unscored": 0.0}
    assert len({total.value for total in expected}) > 1


def test_what_has_no_score_is_told_as_the_substitute_and_counted(serve, tokenizer):
    toml = '[rewards.math]\nuse = "boxed-math"\n[rewards.down]\nuse = "down"'
    with serve(toml, "--substitute", "-0.25") as server:
        (output,) = executed(server.url, tokenizer, [("1+1=?", r"\boxed{2}", "2")])
        assert output["reward"] == output["scores"] == -0.25
        assert output["extra_logs"] == {"rewards/math": 1.0, "rewards/down": 0.0, "unscored": 1.0}
        assert server.health()["outcomes"] == {"unavailable": 1}


def test_a_template_that_opens_the_thinking_is_seen_in_the_prompt(serve, tokenizer):
    chat = Task("1", [{"role": "user", "content": "1+1=?"}], "2")
    prompt, completion = "user: 1+1=?<think>\n", r"so</think><answer>\boxed{2}</answer>"
    with serve(MIX) as server:
        asked = [
            (prompt, completion, labelled(chat, "<think>\n")),
            (prompt, completion, json.dumps(dataclasses.asdict(chat))),
            (prompt, completion, "2"),
            ("user: 1+1=?", completion, "2"),
        ]
        told = executed(server.url, tokenizer, asked)
    # Without <think> in its prompt, a completion has to write it.
    assert [output["extra_logs"]["rewards/format"] for output in told] == [1.0, 1.0, 1.0, 0.0]


def test_the_client_that_can_send_no_header_has_the_token_in_its_address(serve, tokenizer):
    with serve(MIX, GUERDON_TOKEN="to/ken") as server:
        address = server.url.replace("://", f"://any:{urllib.parse.quote('to/ken', safe='')}@")
        (output,) = executed(address, tokenizer, [("1+1=?", r"\boxed{2}", "2")])
    assert output["reward"] == 1.0


def test_several_at_once_get_lists_and_one_gets_numbers(serve):
    with serve(MIX) as server:
        one = {"query": ["q a"], "prompts": ["q "], "labels": ["1"]}
        two = {"query": ["q a", r"q \boxed{1}"], "prompts": ["q ", "q "], "labels": ["1", "1"]}
        assert server.ask("/get_reward", one)[1]["rewards"] == 0.0
        assert server.ask("/get_reward", two)[1] == {
            "rewards": [0.0, 1.0],
            "scores": [0.0, 1.0],
            "extra_logs": {"rewards/format": [0.0, 0.0], "rewards/math": [0.0, 1.0], "unscored": [0.0, 0.0]},
        }


def test_a_query_without_its_prompt_is_no_zero_of_the_models(serve):
    with serve(MIX, "--substitute", "0.5") as server:
        asked = {"query": ["something else"], "prompts": ["1+1=?"], "labels": ["2"]}
        told = server.ask("/get_reward", asked)[1]
        assert (told["rewards"], told["extra_logs"]["unscored"]) == (0.5, 1.0)
        assert "does not begin with its prompt" in server.said


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"query": ["a"], "prompts": ["a"]},
        {"query": ["a"], "prompts": [], "labels": [""]},
        {"query": [1], "prompts": ["a"], "labels": [""]},
        {"query": ["a"], "prompts": [None], "labels": [""]},
        {"query": ["a"], "prompts": ["a"], "labels": ['{"ground_truth": 1, "domain": 2}']},
    ],
)
def test_what_openrlhf_never_sends_is_refused(body, protocol):
    from guerdon.serving.refusals import Refusal

    with pytest.raises(Refusal) as refusal:
        protocol.rollouts(body)
    assert refusal.value.status == 422
    assert all(error.way_out for error in refusal.value.errors)


@pytest.fixture(scope="module")
def protocol():
    from guerdon.serving.get_reward import END_TOKENS, Protocol

    return Protocol([Term("math", BoxedMath())], 0.0, END_TOKENS)


@pytest.mark.parametrize(
    ("query", "completion"),
    [
        ("Q: done<|im_end|>", "done"),
        ("Q: done</s><pad><pad>", "done"),
        ("Q: done \n<|eot_id|>", "done \n"),
        ("Q: <|im_end|> is a token<｜end▁of▁sentence｜>", "<|im_end|> is a token"),
        ("Q: <|im_end|>", ""),
        ("Q: ", ""),
    ],
)
def test_end_and_padding_tokens_are_dropped_at_the_end_only(protocol, query, completion):
    (rollout,) = protocol.rollouts({"query": [query], "prompts": ["Q: "], "labels": ["1"]})
    assert rollout.completion == completion


def test_a_completion_of_nothing_but_end_tokens_costs_little_time(protocol):
    (rollout,) = protocol.rollouts({"query": ["Q" + "</s>" * 300_000], "prompts": ["Q"], "labels": ["1"]})
    assert rollout.completion == ""


@pytest.mark.parametrize(
    ("query", "prompt", "completion"),
    [
        ("abc", "", "abc"),
        ("one . two\nthree", "one . two\n", "three"),
        ("one. two\n\nthree", "one . two\n", "\nthree"),
        (" one two three", "one two", " three"),
        ("ends with this question? 5", "A very long beginning, which ends with this question?", " 5"),
        ("question? 5", "A very long beginning, which ends with this question?", None),
        ("other", "one two", None),
        ("on", "one two", None),
    ],
)
def test_the_completion_is_what_follows_the_prompt(query, prompt, completion):
    assert completion_of(query, prompt) == completion


@pytest.mark.parametrize(
    ("label", "ground_truth"),
    [
        ("42", "42"),
        (42, 42),
        ("", None),
        (None, None),
        ('{"tests": []}', '{"tests": []}'),
        ("{1, 2}", "{1, 2}"),
        ('{"ground_truth": {"tests": []}}', {"tests": []}),
        ({"ground_truth": "x"}, "x"),
        ('{"task": {"id": "1", "ground_truth": [1]}, "prefill": ""}', [1]),
    ],
)
def test_a_label_is_a_whole_task_or_its_ground_truth(label, ground_truth):
    assert row_of_label(label, "Q")["ground_truth"] == ground_truth


def test_a_label_says_nothing_of_the_completion():
    stale = json.dumps({"ground_truth": "1", "completion": "x", "completion_ids": [1], "truncated": True})
    assert set(row_of_label(stale, "Q")) == {"prompt", "ground_truth"}
