import importlib.util
import json
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
import tomli_w

from guerdon import runfile
from guerdon.mixture import Mixture
from guerdon.plugs import Run
from guerdon_local.deepseek_v3 import DeepseekV3

RUN = """
[policy]
use = "deepseek-v3"

[tasks]
use = "sums"
size = 6

[rewards.accuracy]
use = "boxed-math"

[rewards.format]
use = "think-tags"
weight = 0.5

[trainer]
use = "openrlhf"
steps = 4
batch_size = 2
group_size = 4
max_completion_length = 40
gpus_per_node = 1
"""


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A tiny policy's checkpoint directory, with a tokenizer that begins every text by itself."""
    return DeepseekV3().checkpoint(tmp_path_factory.mktemp("policy"))


@pytest.fixture
def run_file(tmp_path):
    """Writes a run file as `guerdon train` leaves it in the directory of the run, with tables changed."""

    def write(text=RUN, **changed):
        table = tomllib.loads(text)
        for key, value in changed.items():
            table[key] = {**table.get(key, {}), **value}
        table["directory"] = str(tmp_path)
        path = tmp_path / "config.toml"
        path.write_text(tomli_w.dumps(table))
        return path

    return write


@pytest.fixture
def run_of():
    """The run that a trainer is handed, of a run file's only stage."""

    def make(path, journal=None):
        file = runfile.load(path)
        (stage,) = file.stages
        return Run(
            directory=file.directory,
            seed=file.seed,
            mixture=Mixture(stage.terms),
            journal=journal,
            stage=stage.name,
            tasks=stage.tasks,
            policy=stage.policy,
            trainer=stage.trainer,
        )

    return make


@pytest.fixture
def executor_of():
    """The executor of an agent file, found as OpenRLHF 0.11.2 finds it (trainer/ray/vllm_engine.py)."""

    def load(path: Path):
        from openrlhf.utils.agent import AgentExecutorBase

        spec = importlib.util.spec_from_file_location("agent_module", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        assert issubclass(module.AgentExecutor, AgentExecutorBase)
        return module.AgentExecutor()

    return load


class Engine:
    """Completes prompts with texts that it is given, in the shape in which vLLM answers."""

    def __init__(self, tokenizer, texts, truncated=False):
        self.tokenizer, self.texts, self.truncated = tokenizer, iter(texts), truncated
        self.asked = []

    async def generate(self, ids, params, multi_modal_data=None):
        self.asked.append(list(ids))
        text = next(self.texts)
        if isinstance(text, Exception):
            raise text
        tokens = self.tokenizer.encode(text, add_special_tokens=False)
        tokens += [] if self.truncated else [self.tokenizer.eos_token_id]
        logprobs = [{token: SimpleNamespace(logprob=-0.5)} for token in tokens] if params.logprobs is not None else None
        reason = "length" if self.truncated else "stop"
        answer = SimpleNamespace(token_ids=tokens, text=text, finish_reason=reason, logprobs=logprobs)
        return SimpleNamespace(outputs=[answer])


@pytest.fixture
def engine():
    """Makes an engine."""
    return Engine


@pytest.fixture
def questions():
    """The lines of a file of questions."""
    return lambda path: [json.loads(line) for line in path.read_text().splitlines()]
