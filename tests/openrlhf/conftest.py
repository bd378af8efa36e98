"""The real OpenRLHF and vLLM on a CPU. Run by `make test-openrlhf`, in an environment of their own; nowhere else."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "plugins" / "judge"))
VOCABULARY = (" so ", "所以", "\\boxed{", "}", "+", "=", "?", *map(str, range(37)))
"""What the embedded task `sums` is written with; the tags of R1's format are always there."""

collect_ignore_glob = [] if all(map(find_spec, ("deepspeed", "openrlhf", "vllm"))) else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.openrlhf)


@pytest.fixture(scope="session")
def cpu_environment() -> Iterator[dict[str, str]]:
    """The variables with which OpenRLHF, Ray, DeepSpeed and vLLM run on a CPU, as if there were one GPU."""
    # A socket's path has at most 107 characters, and Ray's own part of it takes 62.
    ray = tempfile.mkdtemp(prefix="g", dir="/tmp")
    yield {
        "PYTHONPATH": str(HERE / "shim"),
        "OPENRLHF_CPU_SHIM": "1",
        "OPENRLHF_CPU_GPUS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # DeepSpeed calls `ninja`
        "TORCH_EXTENSIONS_DIR": str(Path(sys.prefix) / "torch_extensions"),
        "DS_ACCELERATOR": "cpu",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "RAY_TMPDIR": ray,
        "RAY_DEDUP_LOGS": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "TOKENIZERS_PARALLELISM": "false",
        "TORCH_COMPILE_DISABLE": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    }
    shutil.rmtree(ray, ignore_errors=True)


@pytest.fixture(scope="session")
def tiny_deepseek(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random DeepSeek-V3 that can write sums, of the smallest sizes that vLLM's CPU kernels take."""
    from guerdon_local.deepseek_v3 import DeepseekV3

    policy = DeepseekV3(vocabulary=VOCABULARY, kv_lora_rank=512, qk_rope_head_dim=64)
    return policy.checkpoint(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="session")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen2 that reads and writes bytes and the tags. As with Qwen's own, no text begins with a token."""
    import torch
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

    from guerdon_local.tokenizer import TAGS

    directory = tmp_path_factory.mktemp("policy") / "qwen2"
    vocabulary = {piece: number for number, piece in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=[], padding_side="left")
    tokenizer.add_tokens(list(TAGS))
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=32,  # one of those that vLLM's CPU kernels take
        max_position_embeddings=512,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        Qwen2ForCausalLM(config).bfloat16().save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


Serve = Callable[..., contextlib.AbstractContextManager[None]]


@pytest.fixture(scope="session")
def serve() -> Serve:
    """Starts a server as a Python module, waits until it answers, and ends it with all that it has started."""
    return _served


@contextlib.contextmanager
def _served(
    words: Sequence[str], answers: str, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[None]:
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *words],
            stdout=file,
            stderr=file,
            start_new_session=True,
            env={**os.environ, **(environment or {})},
        )
    try:
        while not _reached(answers):
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.5)
        yield
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _reached(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


@pytest.fixture
def port() -> int:
    """One that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
