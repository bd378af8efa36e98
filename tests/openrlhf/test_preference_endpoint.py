"""The reward `preference-endpoint` with the real vLLM and OpenRLHF's real serve_rm, on a CPU."""

import asyncio
from pathlib import Path

import pytest

from guerdon import Mixture, Outcome, Rollout, Score, Task, Term, opened
from guerdon.options import build
from guerdon.plugs import Reward
from guerdon_preference import PreferenceModel

pytestmark = pytest.mark.openrlhf

TASK = Task("t", "1+2=?")
TEXTS = ["3", "so 3", "12" * 20, "", "no<|im_end|>yes", "9" * 400]


@pytest.fixture(scope="module")
def reward_model(tiny_qwen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random reward model on the layers of the random Qwen2."""
    import torch
    from transformers import AutoTokenizer, Qwen2ForSequenceClassification

    directory = tmp_path_factory.mktemp("model")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Qwen2ForSequenceClassification.from_pretrained(tiny_qwen, num_labels=1, dtype=torch.float32)
        torch.nn.init.normal_(module.score.weight)
    module.save_pretrained(directory)
    AutoTokenizer.from_pretrained(tiny_qwen).save_pretrained(directory)
    return directory


def in_process(model: Path) -> list[Score]:
    reward = PreferenceModel(model=str(model), device="cpu", max_length=256)

    async def work() -> list[Score]:
        async with opened(reward):
            return await reward.score([Rollout(TASK, text) for text in TEXTS])

    return asyncio.run(work())


def asked(model: Path, port: int, api: str, texts: list[str] = TEXTS, longest: int = 256) -> list[Score]:
    server = {"base_url": f"http://127.0.0.1:{port}", "model": str(model), "api": api}
    reward = build(Reward, {"use": "preference-endpoint", "server": server, "max_length": longest}, "rewards.liked")
    with Mixture([Term("liked", reward)], workers=1) as mixture:
        return [total.terms["liked"].score for total in mixture.submit([Rollout(TASK, t) for t in texts]).result()]


def test_vllm_gives_what_transformers_gives(serve, reward_model: Path, port: int, tmp_path: Path) -> None:
    arguments = {
        "model": reward_model,
        "runner": "pooling",
        "host": "127.0.0.1",
        "port": port,
        "dtype": "float32",
        "max-model-len": 256,
        "gpu-memory-utilization": 0.2,
    }
    words = ["vllm.entrypoints.openai.api_server", "--enforce-eager"]
    words += [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
    on_a_cpu = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "HF_HUB_OFFLINE": "1"}
    with serve(words, f"http://127.0.0.1:{port}/health", tmp_path / "log", {**on_a_cpu, "OMP_NUM_THREADS": "1"}):
        there, here = asked(reward_model, port, "vllm"), in_process(reward_model)
        (refused,) = asked(reward_model, port, "vllm", ["9" * 400], longest=8192)
    for one, other in zip(there, here, strict=True):
        assert one.value == pytest.approx(other.value, abs=1e-3)
        assert {**one.evidence, "logit": 0} == {**other.evidence, "logit": 0}
    assert len({one.value for one in there}) >= 4
    # what is too long for the server only: it refuses the answer, and not a harmless one
    assert (refused.value, refused.outcome) == (-10, Outcome.SCORED)


def test_openrlhfs_server_gives_the_same_in_bfloat16(
    serve, reward_model: Path, cpu_environment: dict[str, str], port: int, tmp_path: Path
) -> None:
    arguments = {
        "reward.model_name_or_path": reward_model,
        "host": "127.0.0.1",
        "port": port,
        "data.max_len": 256,
        "ds.attn_implementation": "eager",
    }
    words = ["openrlhf.cli.serve_rm", *(w for name, value in arguments.items() for w in (f"--{name}", str(value)))]
    with serve(words, f"http://127.0.0.1:{port}/docs", tmp_path / "log", cpu_environment):
        there, here = asked(reward_model, port, "openrlhf"), in_process(reward_model)
    for one, other in zip(there, here, strict=True):
        if "cheat" not in one.evidence:  # text only: what would have been special is left out
            assert one.value == pytest.approx(other.value, abs=0.2)
    assert len({one.value for one in there}) >= 4
