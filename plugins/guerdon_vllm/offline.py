"""The sampler `vllm`: completions of any checkpoint directory, by vLLM on this machine."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, PrivateAttr

from guerdon import DataError, GuerdonError, LiveModel, Rollout, Sampler, Sampling, Task
from guerdon_vllm.engine import Engine
from guerdon_vllm.prompts import ReadPrompt, prompt_of, tokenizer_of


class VllmSampler(Sampler):
    """Samples from a checkpoint directory with vLLM, for evaluation, rejection sampling and distillation.

    The engine stays for as long as the same checkpoint is sampled from. A model in training is not for it: with a
    trainer of this process use `local`.
    """

    name: ClassVar[str] = "vllm"
    needs: ClassVar[Mapping[str, str]] = {"vllm": "pip install vllm"}

    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """What is computed in. `auto` is the checkpoint's own, but 16 bits for one of 32."""
    tensor_parallel_size: int = Field(1, ge=1)
    """Over how many GPUs the model is spread."""
    gpu_memory_utilization: float = Field(0.9, gt=0, le=1)
    """The share of a GPU's memory that weights and cache may take; without a GPU, of the machine's memory."""
    max_model_len: int | None = Field(None, ge=2)
    """How many tokens a prompt and its completion may have together. Fewer than the model could read leave room for
    more completions at a time; without it, all that the model can read."""
    enable_prefix_caching: bool = True
    """Read what prompts begin with in common, and the prompt of several completions, only once."""
    enforce_eager: bool = False
    """Start sooner and sample slower: nothing is compiled, and no CUDA graphs are made."""

    _engine: tuple[tuple[Path, int], Engine] | None = PrivateAttr(None)
    _turn: asyncio.Lock | None = PrivateAttr(None)

    async def close(self) -> None:
        """End vLLM."""
        if self._engine is not None:
            self._engine[1].end()
            self._engine = None

    async def sample(
        self, model: LiveModel | Path, tasks: Sequence[Task], group_size: int, sampling: Sampling
    ) -> list[list[Rollout]]:
        """`group_size` rollouts of each task, in order, with the log-probability of each token as it was drawn.

        A rollout depends on the seed, the task and its number in the group, and not on what is sampled beside it, but
        for rounding: a token may come out differently where two were as likely. A temperature of 0 takes the likeliest
        token, with a log-probability of 0. Raises GuerdonError.
        """
        if isinstance(model, LiveModel):
            what = "samples from a checkpoint directory, and was given a model in memory"
            raise GuerdonError("sampler 'vllm'", what, 'use the sampler "local" with this trainer')
        self._turn = self._turn or asyncio.Lock()
        async with self._turn:
            engine = self._running(model)  # while it starts, prompts are read
            tokenizer = await asyncio.to_thread(tokenizer_of, model)
            prompts = await asyncio.to_thread(lambda: [prompt_of(tokenizer, task) for task in tasks])
            longest = await asyncio.to_thread(engine.max_model_len)
            for prompt in prompts:
                _check_length(prompt, sampling.max_completion_length, longest)
            asked = {
                "prompts": [
                    (prompt.ids, seed) for prompt, seed in zip(prompts, _seeds(prompts, sampling.seed), strict=True)
                ],
                "n": group_size if sampling.temperature > 0 else 1,  # vLLM takes the likeliest only once
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "max_tokens": sampling.max_completion_length,
            }
            groups = await asyncio.to_thread(engine.generate, asked)
        if sampling.temperature == 0:
            groups = [group * group_size for group in groups]
        pairs = zip(prompts, groups, strict=True)
        return await asyncio.to_thread(
            lambda: [_rollouts(tokenizer, prompt, group, sampling) for prompt, group in pairs]
        )

    def _running(self, model: Path) -> Engine:
        _check_directory(model)
        # a directory that was written anew is another one
        key = (model.resolve(), model.stat().st_mtime_ns)
        if self._engine is not None and self._engine[0] == key and self._engine[1].usable:
            return self._engine[1]
        if self._engine is not None:
            self._engine[1].end()
        engine = Engine({"model": str(key[0]), **self.model_dump()})
        self._engine = key, engine
        return engine


def _check_directory(model: Path) -> None:
    if not model.is_dir():
        raise DataError(str(model), "there is no such checkpoint directory", "give the directory with `config.json`")
    if (model / "adapter_config.json").is_file():
        way_out = "merge it first (`merge_and_unload` of peft), or take a checkpoint of the run, where it is merged"
        raise DataError(str(model), "is a LoRA adapter, and vLLM is given whole checkpoints", way_out)
    if not (model / "config.json").is_file():
        raise DataError(str(model), "there is no `config.json`", "give a Hugging Face checkpoint directory")


def _check_length(prompt: ReadPrompt, length: int, longest: int) -> None:
    if len(prompt.ids) + length > longest:
        what = f"a prompt of {len(prompt.ids)} tokens and a completion of {length} are longer than the model's"
        way_out = "choose a smaller `max_completion_length`, a larger `max_model_len`, or leave the task out"
        raise DataError(f"task '{prompt.task.id}'", f"{what} {longest}", way_out)


def _seeds(prompts: Sequence[ReadPrompt], seed: int) -> list[int]:
    """A seed for each prompt, wherever it stands; a task that is there twice has two.

    vLLM adds a completion's number in its group, so that seeds must lie far apart.
    """
    seen: Counter[tuple[str, tuple[int, ...]]] = Counter()
    seeds = []
    for prompt in prompts:
        key = prompt.task.id, tuple(prompt.ids)
        digest = hashlib.sha256(repr((seed, *key, seen[key])).encode("utf-8", "surrogatepass")).digest()
        seeds.append(int.from_bytes(digest[:8]) >> 2)
        seen[key] += 1
    return seeds


def _rollouts(
    tokenizer: Any, prompt: ReadPrompt, group: Sequence[Mapping[str, Any]], sampling: Sampling
) -> list[Rollout]:
    texts = tokenizer.batch_decode(
        [one["ids"] for one in group], skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    rollouts = []
    for one, text in zip(group, texts, strict=True):
        if one["finish_reason"] not in ("stop", "length"):
            raise GuerdonError(f"task '{prompt.task.id}'", f"vLLM gave up a completion: {one['finish_reason']}")
        rollouts.append(
            Rollout(
                prompt.task,
                text,
                truncated=one["finish_reason"] == "length",
                prefill=prompt.prefill,
                prompt_ids=prompt.ids,
                completion_ids=one["ids"],
                logprobs=one["logprobs"] if sampling.temperature > 0 else [0.0] * len(one["ids"]),
            )
        )
    return rollouts
