"""The samplers `vllm` and `openai` with the real vLLM on a CPU: what is drawn, how likely it was, and how it ends."""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guerdon import DataError, GuerdonError, LiveModel, Rollout, Sampling, Task, opened
from guerdon_vllm import OpenaiSampler, VllmSampler

pytestmark = pytest.mark.openrlhf

ENVIRONMENT = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
}
OPTIONS = {"dtype": "float32", "enforce_eager": True, "gpu_memory_utilization": 0.2}
TASKS = [Task(str(number), text) for number, text in enumerate(["1+2=?", "9", "12+34+5=?", "2=<think>", "7+7+7=?"])]
SAMPLING = Sampling(max_completion_length=20, seed=3)
CHAT = "{% for m in messages %}{{ m.content }}{% endfor %}{% if add_generation_prompt %}={% endif %}"


@pytest.fixture(autouse=True, scope="module")
def on_a_cpu() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def sampler() -> Iterator[VllmSampler]:
    """One for all tests: it keeps an engine while the checkpoint is the same."""
    one = VllmSampler(**OPTIONS)  # type: ignore[arg-type]
    yield one
    pid = pid_of(one)
    asyncio.run(one.close())
    assert not running(pid)


@pytest.fixture(scope="module", params=["tiny_qwen", "tiny_deepseek"])
def checkpoint(request: pytest.FixtureRequest, sampler: VllmSampler) -> Path:
    former = pid_of(sampler)
    path: Path = request.getfixturevalue(request.param)
    sample(sampler, path, TASKS[:1], 1)
    assert former != pid_of(sampler)
    assert not running(former), "the engine of the checkpoint before is gone"
    return path


@pytest.fixture(scope="module")
def live(checkpoint: Path) -> LiveModel:
    from guerdon_local.models import load

    return load(checkpoint)


def sample(
    sampler: VllmSampler, path: Path, tasks: list[Task] = TASKS, size: int = 4, sampling: Sampling = SAMPLING
) -> list[list[Rollout]]:
    return asyncio.run(sampler.sample(path, tasks, size, sampling))


def pid_of(sampler: VllmSampler) -> int | None:
    return None if sampler._engine is None else sampler._engine[1]._process.pid


def running(pid: int | None) -> bool:
    return pid is not None and Path(f"/proc/{pid}").exists()


def logprobs_of(live: LiveModel, rollout: Rollout, sampling: Sampling) -> Any:
    """What transformers says of each token of the completion, in float32."""
    import torch

    from guerdon_local.drawing import log_distribution

    assert rollout.prompt_ids is not None
    assert rollout.completion_ids is not None
    ids = torch.tensor([[*rollout.prompt_ids, *rollout.completion_ids]])
    with torch.no_grad():
        logits = live.module(ids, use_cache=False).logits[0, len(rollout.prompt_ids) - 1 : -1]
    expected = log_distribution(logits, sampling.temperature, sampling.top_p)
    return expected.gather(-1, torch.tensor(rollout.completion_ids)[:, None])[:, 0]


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 0.8), (1.3, 0.5)])
def test_log_probabilities_are_those_of_transformers(
    sampler: VllmSampler, checkpoint: Path, live: LiveModel, temperature: float, top_p: float
) -> None:
    """Float32 in both. For MLA that takes torch's rotary embedding, for vLLM's own one is wrong on a CPU."""
    import torch

    sampling = replace(SAMPLING, temperature=temperature, top_p=top_p)
    for rollout in (one for group in sample(sampler, checkpoint, sampling=sampling) for one in group):
        drawn = torch.tensor(rollout.logprobs)
        torch.testing.assert_close(drawn, logprobs_of(live, rollout, sampling), rtol=1e-4, atol=1e-4)


def test_it_asks_and_reads_like_the_sampler_local(sampler: VllmSampler, checkpoint: Path, live: LiveModel) -> None:
    from guerdon_local.sampler import end_ids, prompt_ids

    groups = sample(sampler, checkpoint, sampling=replace(SAMPLING, max_completion_length=60), size=16)
    assert [[rollout.task for rollout in group] for group in groups] == [[task] * 16 for task in TASKS]
    ends = end_ids(live)
    for rollout in (one for group in groups for one in group):
        ids = rollout.completion_ids
        assert ids is not None
        assert rollout.prompt_ids == prompt_ids(live.tokenizer, rollout.task.prompt)
        assert rollout.completion == live.tokenizer.decode(ids, skip_special_tokens=True)
        assert rollout.truncated == (ids[-1] not in ends)
        assert not {*ids[:-1]} & {*ends}
        assert len(ids) == 60 or not rollout.truncated
        assert len(rollout.logprobs or ()) == len(ids)
    truncated = [rollout.truncated for group in groups for rollout in group]
    assert any(truncated)
    assert not all(truncated)


def test_the_likeliest_is_that_of_the_sampler_local(sampler: VllmSampler, checkpoint: Path) -> None:
    from guerdon_local import LocalSampler

    sampling = replace(SAMPLING, temperature=0.0)
    theirs = asyncio.run(LocalSampler().sample(checkpoint, TASKS, 2, sampling))
    assert sample(sampler, checkpoint, size=2, sampling=sampling) == theirs


def test_a_rollout_is_the_same_wherever_its_task_stands(sampler: VllmSampler, checkpoint: Path) -> None:
    before = pid_of(sampler)
    ids = [[one.completion_ids for one in group] for group in sample(sampler, checkpoint)]
    assert len({tuple(one) for group in ids for one in group if one}) == len(TASKS) * 4

    def again(tasks: list[Task], size: int = 4, seed: int = 3) -> list[list[Any]]:
        groups = sample(sampler, checkpoint, tasks, size, replace(SAMPLING, seed=seed))
        return [[one.completion_ids for one in group] for group in groups]

    assert again(TASKS) == ids
    assert again(TASKS[::-1]) == ids[::-1]
    assert again(TASKS[2:3]) == ids[2:3]
    assert [group[:4] for group in again(TASKS, 9)] == ids
    assert not {tuple(one) for group in again(TASKS, seed=4) for one in group} & {tuple(o) for g in ids for o in g if o}
    assert pid_of(sampler) == before, "one engine did all of it"


def test_a_prompt_that_leaves_no_room_names_its_task(sampler: VllmSampler, checkpoint: Path, live: LiveModel) -> None:
    longest = live.module.config.max_position_embeddings
    tasks = [*TASKS, Task("long", "1" * 4 * longest)]
    with pytest.raises(DataError, match=rf"task 'long': a prompt of \d+ tokens .* longer than the model's {longest}"):
        sample(sampler, checkpoint, tasks)
    assert len(sample(sampler, checkpoint)) == len(TASKS)


def test_what_mla_on_a_cpu_cannot_do_is_one_clear_error(tmp_path: Path) -> None:
    from guerdon_local import DeepseekV3

    path = DeepseekV3().checkpoint(tmp_path)
    with pytest.raises(GuerdonError) as caught:
        sample(VllmSampler(**OPTIONS), path)  # type: ignore[arg-type]
    assert caught.value.where == str(path)
    assert caught.value.what == "vLLM failed while sampling: Head dimension 48 is not supported by MLA."
    Path(caught.value.way_out.rpartition(" ")[2]).unlink()


def test_what_vllm_does_not_know_is_one_clear_error(tiny_qwen: Path, tmp_path: Path) -> None:
    path = tmp_path / "model"
    shutil.copytree(tiny_qwen, path)
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "architectures": ["AbacusForCausalLM"]}))
    with pytest.raises(GuerdonError) as caught:
        sample(VllmSampler(**OPTIONS), path)  # type: ignore[arg-type]
    assert caught.value.what.startswith("vLLM cannot run this checkpoint: ")
    assert "AbacusForCausalLM" in caught.value.what
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 1000
    Path(caught.value.way_out.rpartition(" ")[2]).unlink()


SCRIPT = """
import asyncio, sys
from pathlib import Path
from guerdon import Sampling, Task
from guerdon_vllm import VllmSampler
asyncio.run(VllmSampler(enforce_eager=True).sample(Path(sys.argv[1]), [Task("1", "1+2=?")], 1, Sampling()))
"""


def test_an_engine_does_not_outlive_a_process_that_is_killed(tiny_qwen: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(tiny_qwen)], stderr=subprocess.DEVNULL)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    try:
        while not (found := [pid for pid in children.read_text().split() if engine(int(pid))]):
            time.sleep(0.05)
        time.sleep(5)  # in the middle of its start
        assert engine(int(found[0]))
    finally:
        process.kill()
        process.wait()
    for _ in range(100):
        if not engine(int(found[0])):
            return
        time.sleep(0.1)
    raise AssertionError("it is still there")


def engine(pid: int) -> bool:
    try:
        return b"guerdon_vllm.engine_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def test_guerdon_eval_samples_with_it(tiny_qwen: Path, tmp_path: Path) -> None:
    options = "\n".join(f"{name} = {json.dumps(value)}" for name, value in OPTIONS.items())
    (tmp_path / "run.toml").write_text(
        f'[sampler]\nuse = "vllm"\n{options}\n[rewards.accuracy]\nuse = "boxed-math"\n'
        '[rewards.format]\nuse = "think-tags"\nweight = 0.1\n'
    )
    rows = [{"id": task.id, "prompt": task.prompt, "ground_truth": "3"} for task in TASKS]
    (tmp_path / "tasks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    words = ["eval", str(tiny_qwen), "--file", "run.toml", "--tasks", "tasks.jsonl", "--correct", "accuracy"]
    more = ["-k", "3", "--max-completion-length", "12", "--json", "--out", "out.jsonl"]
    done = subprocess.run(
        [sys.executable, "-m", "guerdon", *words, *more], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)  # and nothing of vLLM's beside it
    assert (said["tasks"], said["samples"], said["unscored"]) == (5, 15, 0)
    assert 0 < said["mean_length"] <= 12
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert all(len(row["logprobs"]) == len(row["completion_ids"]) for row in rows)


@pytest.fixture(scope="module")
def endpoint(serve: Any, tiny_qwen: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """vLLM's own OpenAI-compatible server."""
    directory = tmp_path_factory.mktemp("server")
    (directory / "chat.jinja").write_text(CHAT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = {
        "model": tiny_qwen,
        "served-model-name": "tiny",
        "host": "127.0.0.1",
        "port": port,
        "dtype": "float32",
        "max-model-len": 256,
        "gpu-memory-utilization": 0.2,
        "chat-template": directory / "chat.jinja",
        "api-key": "the-key-of-this-test",
        "logprobs-mode": "processed_logprobs",
    }
    words = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
    url = f"http://127.0.0.1:{port}"
    module = ["vllm.entrypoints.openai.api_server", "--enforce-eager"]
    with serve([*module, *words], f"{url}/health", directory / "log"):
        yield f"{url}/v1"


def ask(
    url: str, tasks: list[Task] = TASKS, size: int = 4, sampling: Sampling = SAMPLING, **options: Any
) -> list[list[Rollout]]:
    async def work() -> list[list[Rollout]]:
        sampler = OpenaiSampler(base_url=url, **{"model": "tiny", "api_key_env": "KEY_OF_TEST", **options})
        async with opened(sampler):
            return await sampler.sample(Path("-"), tasks, size, sampling)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEY_OF_TEST", "the-key-of-this-test")
        return asyncio.run(work())


def test_a_server_completes_texts_with_tokens_and_log_probabilities(endpoint: str, tiny_qwen: Path) -> None:
    import torch

    from guerdon_local.models import load

    live = load(tiny_qwen)
    sampling = replace(SAMPLING, temperature=0.7, top_p=0.8)
    options = {"endpoint": "completions", "logprobs": True, "extra_body": {"return_token_ids": True}}
    for rollout in (one for group in ask(endpoint, sampling=sampling, **options) for one in group):
        drawn = torch.tensor(rollout.logprobs)
        torch.testing.assert_close(drawn, logprobs_of(live, rollout, sampling), rtol=1e-4, atol=1e-4)
        decoded = live.tokenizer.decode(rollout.completion_ids, skip_special_tokens=True)
        # A character that was cut off is left out by vLLM and replaced by transformers.
        assert rollout.completion.rstrip("\ufffd") == decoded.rstrip("\ufffd")
        assert rollout.truncated == ((rollout.completion_ids or [])[-1] != live.tokenizer.eos_token_id)


@pytest.mark.parametrize("options", [{"endpoint": "completions"}, {}, {"completions_per_request": 4}])
def test_a_server_heeds_the_seed(endpoint: str, options: dict[str, Any]) -> None:
    def completions(tasks: list[Task] = TASKS, seed: int = 3) -> list[list[str]]:
        groups = ask(endpoint, tasks, sampling=replace(SAMPLING, seed=seed), **options)
        return [[rollout.completion for rollout in group] for group in groups]

    first = completions()
    assert completions() == first
    assert completions(TASKS[::-1]) == first[::-1]
    assert len({one for group in first for one in group}) > 10
    assert not {one for group in completions(seed=4) for one in group} & {one for group in first for one in group}


def test_a_server_chats_with_log_probabilities(endpoint: str) -> None:
    tasks = [Task("chat", [{"role": "user", "content": "1+2"}])]
    ((rollout,),) = ask(endpoint, tasks, 1, logprobs=True, extra_body={"return_token_ids": True})
    assert len(rollout.logprobs or ()) == len(rollout.completion_ids or ()) > 0
    assert len(rollout.prompt_ids or ()) == len("1+2=")


def test_the_likeliest_of_a_server_is_asked_for_as_often_as_wanted(endpoint: str) -> None:
    (group,) = ask(endpoint, TASKS[:1], 3, replace(SAMPLING, temperature=0.0), completions_per_request=3)
    assert len({rollout.completion for rollout in group}) == 1


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"api_key_env": "NOT_SET"}, "refuses the key (401: "),
        ({"model": "another"}, "does not know what is asked for (404: The model `another` does not exist."),
    ],
)
def test_what_a_server_refuses_is_one_clear_error(endpoint: str, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(GuerdonError) as caught:
        ask(endpoint, **options)
    assert complaint in str(caught.value)


def test_a_prompt_that_is_too_long_for_a_server_names_its_task(endpoint: str) -> None:
    with pytest.raises(GuerdonError, match=r"^task 'long': .* refuses the request \(400: ") as caught:
        ask(endpoint, [*TASKS, Task("long", "1" * 300)], 1, endpoint="completions")
    assert "more task" not in str(caught.value)
