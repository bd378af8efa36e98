"""TRL's GRPOTrainer on the job that a JSON file describes (see grpo_jobs.py), and the CPU seconds of each step.

Its options are those that make it fastest here: no gradient checkpointing, no KL, one micro-batch.
"""

import json
import re
import resource
import sys
from itertools import pairwise
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoTokenizer, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

FORMAT = re.compile(r"<think>[^<>]*</think>\s*<answer>[^<>]*</answer>")
BOXED = re.compile(r"\\boxed\{(\d+)\}")


def right_and_tagged(completions: list[str], gold: list[int], **_: Any) -> list[float]:
    """1 for the right answer and 1 for the format. A regular expression: cheaper than any verifier."""
    rewards = []
    for completion, expected in zip(completions, gold, strict=True):
        boxed = BOXED.findall(completion.partition("</think>")[2])
        rewards.append(float(boxed[-1:] == [str(expected)]) + float(FORMAT.fullmatch(completion.strip()) is not None))
    return rewards


def ones(completions: list[str], **_: Any) -> list[float]:
    """The share of ones, which no group agrees on."""
    return [completion.count("1") / max(len(completion), 1) for completion in completions]


class Clock(TrainerCallback):
    """CPU seconds so far, and what was logged, at the end of each step."""

    def __init__(self) -> None:
        self.seconds = [cpu_seconds()]
        self.logs: list[dict[str, float]] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.seconds.append(cpu_seconds())

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any], **_: Any) -> None:
        if "reward" in logs:
            self.logs.append(logs)


def cpu_seconds() -> float:
    """Of this process; it starts no others."""
    return sum(resource.getrusage(resource.RUSAGE_SELF)[:2])


def main() -> None:
    """`grpo_trl.py JOB.json`"""
    torch.set_num_threads(1)
    with open(sys.argv[1]) as file:
        job = json.load(file)
    length = job["max_completion_length"]
    config = GRPOConfig(
        output_dir=job["directory"],
        max_steps=job["steps"],
        per_device_train_batch_size=job["batch_size"] * job["group_size"],
        num_generations=job["group_size"],
        max_completion_length=length,
        generation_kwargs={"min_new_tokens": length} if job["endless"] else {},
        temperature=1.0,
        learning_rate=job["learning_rate"],
        lr_scheduler_type="constant_with_warmup",
        warmup_steps=job["warmup_steps"],
        adam_beta2=0.95,
        weight_decay=0.0,
        max_grad_norm=1.0,
        loss_type="dapo",
        epsilon=0.2,
        epsilon_high=0.28,
        beta=0.0,
        seed=job["seed"],
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        model_init_kwargs={"dtype": "float32"},
        router_aux_loss_coef=0.0,
        logging_steps=1,
        save_strategy="steps" if job["save_steps"] else "no",
        save_steps=job["save_steps"] or 1,
        report_to=[],
        disable_tqdm=True,
    )
    clock = Clock()
    trainer = GRPOTrainer(
        model=job["model"],
        reward_funcs=ones if job["endless"] else right_and_tagged,
        args=config,
        train_dataset=Dataset.from_list(job["tasks"]),
        processing_class=AutoTokenizer.from_pretrained(job["model"]),
        callbacks=[clock],
    )
    trainer.train()
    steps = [after - before for before, after in pairwise(clock.seconds)]
    rows = job["batch_size"] * job["group_size"]
    facts = {
        "steps": steps,
        "tokens": [rows * log["completions/mean_length"] for log in clock.logs],
        "rewards": [log["reward"] for log in clock.logs],
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
