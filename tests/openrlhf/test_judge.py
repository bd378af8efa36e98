"""The reward `judge` with the real vLLM, which holds a random model to the schema of a verdict."""

import json
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from injections import ATTEMPTS

from guerdon import Mixture, Outcome, Rollout, Score, Task, Term
from guerdon_judge import Judge, JudgeModel
from guerdon_judge.verdict import schema_of

pytestmark = pytest.mark.openrlhf

CHAT = "{% for message in messages %}{{ message.content }}{% endfor %}"
TASK = Task("t", "1+2=?", ground_truth="3")


@pytest.fixture(scope="module")
def with_room(tiny_qwen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The random Qwen2, with room for a judge's instructions in bytes."""
    from transformers import AutoTokenizer, Qwen2ForCausalLM

    directory = tmp_path_factory.mktemp("judge")
    Qwen2ForCausalLM.from_pretrained(tiny_qwen, max_position_embeddings=8192).save_pretrained(directory)
    AutoTokenizer.from_pretrained(tiny_qwen).save_pretrained(directory)
    return directory


@pytest.fixture(scope="module")
def root(serve: Any, with_room: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """vLLM's own OpenAI-compatible server."""
    directory = tmp_path_factory.mktemp("server")
    (directory / "chat.jinja").write_text(CHAT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = {
        "model": with_room,
        "served-model-name": "tiny",
        "host": "127.0.0.1",
        "port": port,
        "dtype": "float32",
        "max-model-len": 8192,
        "gpu-memory-utilization": 0.2,
        "chat-template": directory / "chat.jinja",
    }
    words = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
    on_a_cpu = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "HF_HUB_OFFLINE": "1"}
    url = f"http://127.0.0.1:{port}"
    # On a CPU, vLLM 0.32 dies of a request with a seed whose prompt it reads in parts.
    module = ["vllm.entrypoints.openai.api_server", "--enforce-eager", "--no-enable-chunked-prefill"]
    log = directory / "log"
    with serve([*module, *words], f"{url}/health", log, {**on_a_cpu, "OMP_NUM_THREADS": "1"}):
        yield f"{url}/v1"


@pytest.fixture(scope="module")
def short(with_room: Path) -> dict[str, Any]:
    """Strings of a random model have no end: this lets it end them soon."""
    from transformers import AutoTokenizer

    return {"logit_bias": {str(AutoTokenizer.from_pretrained(with_room).convert_tokens_to_ids('"')): 20}}


def replied(root: str, body: dict[str, Any]) -> str:
    asked = {"model": "tiny", "max_tokens": 300, "messages": [{"role": "user", "content": "Judge this: 3"}], **body}
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{root}/chat/completions", json.dumps(asked).encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        content = json.load(answer)["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


def judged(root: str, short: dict[str, Any]) -> list[Score]:
    model = JudgeModel(base_url=root, model="tiny", temperature=1.0, max_tokens=300, extra_body=short)
    with Mixture([Term("judge", Judge(judges=(model,)))], workers=1) as mixture:
        totals = mixture.submit([Rollout(TASK, text) for text in ATTEMPTS.values()]).result(300)
    return [total.terms["judge"].score for total in totals]


def test_the_schema_of_a_verdict_is_one_that_vllm_holds_a_model_to(root: str, short: dict[str, Any]) -> None:
    schema = schema_of(["agreement", "clarity"], 10)
    shape = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": schema}}
    for seed in range(8):
        found = json.loads(replied(root, {"response_format": shape, "seed": seed, **short}))
        assert set(found) == {"canary", "marks"}
        for mark in (found["marks"]["agreement"], found["marks"]["clarity"]):
            assert isinstance(mark["reason"], str)
            assert mark["mark"] in range(11)
    with pytest.raises(ValueError, match=r"Expecting|Extra|Invalid"):
        json.loads(replied(root, {"seed": 0, **short}))


def test_what_a_random_model_says_is_never_a_verdict_whatever_it_judges(root: str, short: dict[str, Any]) -> None:
    for attempt, score in zip(ATTEMPTS, judged(root, short), strict=True):
        assert (score.value, score.outcome) == (None, Outcome.UNAVAILABLE), attempt
        assert "without the canary" in score.reason
        assert "not even of a harmless answer" in score.reason
