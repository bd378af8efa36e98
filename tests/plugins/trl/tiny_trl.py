"""TRL's real trainer and a model of a few thousand weights, which reads and writes bytes."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from tokenizer_of_bytes import byte_tokenizer

from guerdon import GroupReward, Rollout, Unavailable, Verifier, registry

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"


class Share(Verifier):
    """The share of some characters in a completion; no score for one that begins with a `mute` one."""

    name: ClassVar[str] = "share"
    isolation = "inline"
    judged: ClassVar[list[str]] = []
    """Every completion that was judged in this process, as often as it was."""
    of: str = "aeiou"
    mute: str = ""

    def verify(self, rollout: Rollout) -> float:
        self.judged.append(rollout.completion)
        if rollout.completion and rollout.completion[0] in self.mute:
            raise Unavailable("this reward does not like how it begins")
        return sum(one in self.of for one in rollout.completion) / max(len(rollout.completion), 1)


class Longest(GroupReward):
    """1 for the longest completion of a prompt."""

    name: ClassVar[str] = "longest"
    isolation = "inline"

    def score_group(self, group: Sequence[Rollout]) -> list[float]:
        longest = max(len(one.completion) for one in group)
        return [float(len(one.completion) == longest) for one in group]


class Cut(Verifier):
    """1 for a completion that was cut off at the length limit."""

    name: ClassVar[str] = "cut"
    isolation = "inline"

    def verify(self, rollout: Rollout) -> bool:
        return rollout.truncated


for plug in (Share, Longest, Cut):
    registry.load().plugs.setdefault((plug.kind, plug.name), registry.Entry(plug, "of-this-test", "no-distribution"))


def mixture_file(directory: Path, text: str) -> Path:
    """A run file of these rewards."""
    path = directory / "mix.toml"
    path.write_text(text)
    return path


def send_what_it_pays(function: Any, asked: dict[str, Any], sending: Any) -> None:
    """What another process does with a reward function."""
    sending.send(function(**asked))


def tiny_model(tokenizer: Any) -> Any:
    """A Qwen2 from random weights."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=8192,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen2ForCausalLM(config)


def trained(
    directory: Path,
    reward_funcs: Sequence[Any],
    rows: Sequence[dict[str, Any]],
    write: Callable[[Sequence[Any]], Sequence[str]] | None = None,
    kind: str = "GRPO",
    **config: Any,
) -> Any:
    """A trainer of TRL that has trained. `write`: what is taken for the completions of prompts, in their order."""
    import trl
    from datasets import Dataset

    tokenizer = byte_tokenizer()

    def wrote(prompts: Sequence[Any], trainer: Any) -> dict[str, Any]:
        assert write is not None
        # TRL takes a completion without the end token for one that was cut off.
        ids = [[*tokenizer(one)["input_ids"], tokenizer.eos_token_id] for one in write(prompts)]
        return {
            "prompt_ids": [tokenizer(str(prompt))["input_ids"] for prompt in prompts],
            "completion_ids": ids,
            "logprobs": [[-1.0] * len(one) for one in ids],
        }

    settings: dict[str, Any] = {
        "output_dir": str(directory / "trl"),
        "max_steps": 2,
        "per_device_train_batch_size": 8,
        "num_generations": 4,
        "max_completion_length": 12,
        "learning_rate": 1e-3,
        "use_cpu": True,
        "bf16": False,
        "activation_checkpointing": False,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        **config,
    }
    more = {"rollout_func": wrote} if write else {}
    trainer = getattr(trl, f"{kind}Trainer")(
        model=tiny_model(tokenizer),
        reward_funcs=list(reward_funcs),
        args=getattr(trl, f"{kind}Config")(**settings),
        train_dataset=Dataset.from_list(list(rows)),
        processing_class=tokenizer,
        **more,
    )
    trainer.train()
    return trainer


def logged(trainer: Any) -> list[dict[str, float]]:
    """What TRL logged of each step."""
    return [entry for entry in trainer.state.log_history if "reward" in entry]
