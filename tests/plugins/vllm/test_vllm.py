"""The sampler `vllm`, as far as it goes without vLLM: what it is asked, and what becomes of an engine that fails."""

import asyncio
import importlib.util
import os
import signal
import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from guerdon import DataError, GuerdonError, LiveModel, RunFileError, Sampler, Sampling, Task
from guerdon.options import build
from guerdon_local.checkpoint import Checkpoint
from guerdon_local.deepseek_v3 import DeepseekV3
from guerdon_local.sampler import prompt_of as prompt_of_local
from guerdon_local.tokenizer import BOS, EOS
from guerdon_local.tokenizer import build as tokenizer_of_pieces
from guerdon_vllm import VllmSampler
from guerdon_vllm.engine import Engine
from guerdon_vllm.engine_process import said
from guerdon_vllm.offline import _check_length, _seeds
from guerdon_vllm.prompts import prompt_of, tokenizer_of

without_vllm = pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed here")
TASKS = [Task("one", "1+2=?"), Task("two", "3")]
CHAT = "{% for m in messages %}{{ m.role }}:{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}a:{% endif %}"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return DeepseekV3().checkpoint(tmp_path_factory.mktemp("policy"))


def sample(model: LiveModel | Path) -> None:
    asyncio.run(VllmSampler().sample(model, TASKS, 2, Sampling()))


@without_vllm
def test_a_run_file_that_names_it_says_how_to_install_it() -> None:
    with pytest.raises(RunFileError, match="'vllm' needs the module vllm, which is not installed; pip install vllm"):
        build(Sampler, {"use": "vllm"}, "sampler")


def test_a_model_in_memory_is_refused() -> None:
    with pytest.raises(GuerdonError, match=r"samples from a checkpoint directory.*sampler \"local\""):
        sample(LiveModel(None, None))


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such checkpoint directory"):
        sample(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"there is no `config\.json`"):
        sample(tmp_path)


def test_an_adapter_is_refused_with_the_way_out(tmp_path: Path, checkpoint: Path) -> None:
    adapter = Checkpoint(path=str(checkpoint), lora_rank=2).checkpoint(tmp_path)
    assert (adapter / "adapter_config.json").is_file()
    with pytest.raises(DataError, match="is a LoRA adapter, and vLLM is given whole checkpoints; merge it first"):
        sample(adapter)


def chatting(template: str, bos: bool = True) -> PreTrainedTokenizerFast:
    tokenizer = tokenizer_of_pieces([*"abcdefghijklmnopqrstuvwxyz:\n+=?0123456789 <>"])
    tokenizer.chat_template = template
    if not bos:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single=f"$A {EOS}", special_tokens=[(EOS, tokenizer.eos_token_id)]
        )
    return tokenizer


@pytest.mark.parametrize("bos", [True, False], ids=["begins", "ends"])
@pytest.mark.parametrize("ending", ["", "<think>", "<think>\n"])
@pytest.mark.parametrize(
    "prompt",
    ["1+2=?", "", "a<think>", f"a{EOS}", f"{BOS}a", [{"role": "user", "content": "hi"}]],
    ids=["text", "empty", "opened", "ended", "begun", "chat"],
)
def test_prompts_are_the_tokens_that_the_sampler_local_gives(prompt: object, ending: str, bos: bool) -> None:
    tokenizer = chatting(CHAT + ending, bos)
    task = Task("it", prompt)  # type: ignore[arg-type]
    assert read(prompt_of, tokenizer, task) == read(of_local, tokenizer, task)


def of_local(tokenizer: Any, task: Task) -> Any:
    module = SimpleNamespace(config=SimpleNamespace(get_text_config=SimpleNamespace))
    return prompt_of_local(LiveModel(module, tokenizer), task, 1)


def read(reading: Callable[[Any, Task], Any], tokenizer: Any, task: Task) -> object:
    """The tokens and the prefill, or what is wrong with the prompt."""
    try:
        prompt = reading(tokenizer, task)
    except DataError as error:
        return error.where, error.what
    return prompt.ids, prompt.prefill


@pytest.mark.parametrize(
    ("prompt", "complaint"),
    [
        ("a Ä b", "its prompt holds ' Ä ', for which the tokenizer has no token"),
        (
            [{"role": "user", "content": "hi"}],
            "its prompt is a list of messages, and the tokenizer has no chat",
        ),
    ],
)
def test_a_prompt_that_cannot_be_read_names_the_task(prompt: object, complaint: str) -> None:
    with pytest.raises(DataError, match=f"task 'bad': {complaint}"):
        prompt_of(tokenizer_of_pieces([*"abc"]), Task("bad", prompt))  # type: ignore[arg-type]


def test_a_template_that_raises_names_the_task() -> None:
    with pytest.raises(DataError, match="task 'bad': its prompt the chat template does not take these messages: only"):
        prompt_of(chatting("{{ raise_exception('only users') }}"), Task("bad", [{"role": "user", "content": "hi"}]))


def test_a_tokenizer_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match="its tokenizer cannot be read"):
        tokenizer_of(tmp_path)


def test_a_prompt_that_leaves_no_room_names_the_task() -> None:
    prompt = prompt_of(tokenizer_of_pieces([*"abc"]), Task("long", "abc"))
    _check_length(prompt, 12, 16)
    with pytest.raises(DataError, match=r"task 'long': a prompt of 4 tokens and a completion of 13 are longer than"):
        _check_length(prompt, 13, 16)


def test_a_seed_belongs_to_a_task_wherever_it_stands() -> None:
    tokenizer = tokenizer_of_pieces([*"0123456789"])
    prompts = [prompt_of(tokenizer, Task(str(number), str(number))) for number in range(1000)]
    seeds = _seeds(prompts, 7)
    assert _seeds(prompts[::-1], 7) == seeds[::-1]
    assert _seeds(prompts[5:6], 7) == seeds[5:6]
    assert not {*_seeds(prompts, 8)} & {*seeds}
    assert len({*_seeds(prompts[:1] * 50, 7)}) == 50, "the same task again is drawn anew"
    # vLLM counts upwards from a seed for the completions of one prompt
    places = sorted(seeds)
    assert min(b - a for a, b in pairwise(places)) > 10_000
    assert 0 <= places[0] <= places[-1] < 2**63


def test_errors_of_vllm_are_one_line() -> None:
    from pydantic import BaseModel, ValidationError, field_validator

    class Config(BaseModel):
        arch: str

        @field_validator("arch")
        @classmethod
        def known(cls, value: str) -> str:
            raise ValueError("Model architectures ['X'] are not supported")

    with pytest.raises(ValidationError) as caught:
        Config(arch="X")
    assert said(caught.value) == "Model architectures ['X'] are not supported"
    assert said(KeyError("layers.1")) == "KeyError: 'layers.1'"
    assert said(ValueError("too\n  long")) == "too long"
    assert said(RuntimeError()) == "RuntimeError: "


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@without_vllm
def test_an_engine_that_does_not_start_says_why_and_keeps_its_log() -> None:
    engine = Engine({"model": "/somewhere"})
    with pytest.raises(GuerdonError, match=r"/somewhere: vLLM cannot run .*No module named 'vllm'.*is in ") as caught:
        engine.max_model_len()
    assert not engine.usable
    log = Path(caught.value.way_out.rpartition(" ")[2])
    engine.end()
    engine.end()
    assert gone(engine._process.pid)
    assert log.is_file()
    log.unlink()


def test_an_engine_that_is_killed_says_so() -> None:
    engine = Engine({"model": "/somewhere"})
    os.kill(engine._process.pid, signal.SIGKILL)
    with pytest.raises(GuerdonError, match="its process was killed, as happens when memory runs out"):
        engine.max_model_len()
    engine.end()
    engine._log.unlink()


def test_an_engine_can_be_ended_while_it_is_waited_for() -> None:
    engine = Engine({"model": "/somewhere"})
    os.kill(engine._process.pid, signal.SIGSTOP)  # it will not answer
    told: list[BaseException] = []

    def wait() -> None:
        try:
            engine.max_model_len()
        except GuerdonError as error:
            told.append(error)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.2)
    engine.end()
    thread.join(5)
    assert not thread.is_alive()
    assert "sampling was ended" in str(told[0])
    assert gone(engine._process.pid)
    assert not engine._log.exists()


@without_vllm
def test_a_checkpoint_that_cannot_be_run_is_tried_anew_the_next_time(checkpoint: Path) -> None:
    async def work() -> None:
        sampler = VllmSampler()
        pids = []
        for _ in range(2):
            with pytest.raises(GuerdonError, match="vLLM cannot run this checkpoint") as caught:
                await sampler.sample(checkpoint, TASKS, 1, Sampling())
            assert sampler._engine is not None
            pids.append(sampler._engine[1]._process.pid)
            os.unlink(caught.value.way_out.rpartition(" ")[2])
        await sampler.close()
        assert len({*pids}) == 2
        assert all(map(gone, pids))

    asyncio.run(work())
