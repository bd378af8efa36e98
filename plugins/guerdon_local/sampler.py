"""Completions from a model in this process."""

import asyncio
import hashlib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, PrivateAttr

from guerdon import DataError, LiveModel, Rollout, Sampler, Sampling, Task
from guerdon_local.tokenizer import unknown_text

if TYPE_CHECKING:
    import torch

    from guerdon_local.generation import Reader

OPEN = "<think>"
"""What a chat template may have written at the head of the completion."""


class LocalSampler(Sampler):
    """Samples from a model in this process, many rows at once, each with its place in a cache.

    A prompt is read once for all of its completions, and a completion that has ended makes room.
    """

    name: ClassVar[str] = "local"
    needs: ClassVar[Mapping[str, str]] = {
        "torch": "pip install 'guerdon[local]'",
        "transformers": "pip install 'guerdon[local]'",
    }

    rows_at_once: int = Field(512, ge=1)
    """How many completions grow at the same time. Fewer need less memory for the cache."""

    _loaded: tuple[tuple[Path, int], LiveModel] | None = PrivateAttr(None)

    async def close(self) -> None:
        """Forget the checkpoint that was loaded last."""
        self._loaded = None

    async def sample(
        self, model: LiveModel | Path, tasks: Sequence[Task], group_size: int, sampling: Sampling
    ) -> list[list[Rollout]]:
        """`group_size` rollouts of each task, in order, with the log-probability of each token as it was drawn.

        A temperature of 0 takes the likeliest token, with a log-probability of 0. Raises DataError for a prompt that
        the model cannot read: unknown characters, or no room for the completion after it.
        """
        # a thread, so that rewards are awaited meanwhile
        return await asyncio.to_thread(self._sample, model, tasks, group_size, sampling)

    def _sample(
        self, model: LiveModel | Path, tasks: Sequence[Task], group_size: int, sampling: Sampling
    ) -> list[list[Rollout]]:
        live = model if isinstance(model, LiveModel) else self._load(model)
        prompts = [prompt_of(live, task, sampling.max_completion_length) for task in tasks]
        groups: list[list[Rollout]] = [[] for _ in tasks]
        was_training = live.module.training
        live.module.eval()
        try:
            reader = _reader(live.module)
            for begin in range(0, group_size, self.rows_at_once):
                copies = min(self.rows_at_once, group_size - begin)
                size = max(1, self.rows_at_once // copies)
                for first in range(0, len(tasks), size):
                    generator = _generator(sampling.seed, first, begin)
                    some = prompts[first : first + size]
                    for number, rollout in enumerate(
                        _complete(reader, live, some, copies, sampling, generator=generator)
                    ):
                        groups[first + number // copies].append(rollout)
        finally:
            live.module.train(was_training)
        return groups

    def _load(self, path: Path) -> LiveModel:
        from guerdon_local.models import load

        if not path.is_dir():
            return load(path)
        # a directory that was written anew is another one
        key = (path.resolve(), path.stat().st_mtime_ns)
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None
            self._loaded = key, load(path)
        return self._loaded[1]


def prompt_ids(tokenizer: Any, prompt: str | Sequence[Mapping[str, Any]]) -> list[int]:
    """The tokens that a model is given for a prompt.

    Text is encoded as it is, after the token that begins a sequence where the tokenizer has one. Messages go through
    the chat template, up to where the answer begins. Raises DataError for characters that the tokenizer does not know.
    """
    text = _rendered(tokenizer, prompt)
    if (piece := unknown_text(tokenizer, text)) is not None:
        what = f"holds {piece[:20]!r}, for which the tokenizer has no token"
        raise DataError("prompt", what, "change the prompt, or the policy's `vocabulary`")
    if not isinstance(prompt, str):
        ids = tokenizer.encode(text, add_special_tokens=False)  # the template has written them
    else:
        ids = tokenizer.encode(text)
        if ids and ids[-1] == tokenizer.eos_token_id and not text.endswith(tokenizer.eos_token):
            ids = ids[:-1]  # the prompt is not the end of the text
    if not ids:
        raise DataError("prompt", "is empty, and the tokenizer begins no text by itself", "give the task a prompt")
    return list(ids)


def room(model: LiveModel) -> int:
    """How many tokens the model can read at once."""
    longest = getattr(model.module.config.get_text_config(), "max_position_embeddings", None)
    return sys.maxsize if longest is None else int(longest)


def end_ids(model: LiveModel) -> list[int]:
    """The tokens that end a completion: the tokenizer's, and those of the model's generation configuration."""
    said = getattr(getattr(model.module, "generation_config", None), "eos_token_id", None)
    ids = {*(said if isinstance(said, list) else [said]), model.tokenizer.eos_token_id}
    return sorted(number for number in ids if number is not None)


def _rendered(tokenizer: Any, prompt: str | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(prompt, str):
        return prompt
    if not tokenizer.chat_template:
        raise DataError("prompt", "is a list of messages, and the tokenizer has no chat template", "give it as text")
    try:
        return str(tokenizer.apply_chat_template(list(prompt), tokenize=False, add_generation_prompt=True))
    except Exception as error:  # a template is a program, and may raise anything
        said = str(error).strip() or type(error).__name__
        raise DataError("prompt", f"the chat template does not take these messages: {said}", "change them") from error


def _reader(module: Any) -> "Reader":
    from guerdon_local import mla
    from guerdon_local.generation import CachedReader

    return mla.LatentReader(module) if mla.pays(module) else CachedReader(module)


def _generator(seed: int, first: int, begin: int) -> "torch.Generator":
    """The random numbers of one batch: others for every seed and every place, and nobody else's."""
    import torch

    digest = hashlib.sha256(f"{seed}/{first}/{begin}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)


@dataclass(frozen=True)
class ReadPrompt:
    """A task's prompt in tokens."""

    task: Task
    ids: list[int]
    prefill: str


def prompt_of(model: LiveModel, task: Task, length: int) -> ReadPrompt:
    """A task's prompt as the model is given it. Raises DataError, with the task's name.

    `length`: how many tokens there must be room for behind it.
    """
    try:
        ids = prompt_ids(model.tokenizer, task.prompt)
    except DataError as error:
        raise DataError(f"task '{task.id}'", f"its prompt {error.what}", error.way_out) from error
    if len(ids) + length > room(model):
        what = f"a prompt of {len(ids)} tokens and a completion of {length} are longer than the model's {room(model)}"
        raise DataError(f"task '{task.id}'", what, "choose a smaller `max_completion_length`, or leave the task out")
    text = "" if isinstance(task.prompt, str) else _rendered(model.tokenizer, task.prompt)
    return ReadPrompt(task, ids, text[text.rindex(OPEN) :] if text.rstrip().endswith(OPEN) else "")


def _complete(
    reader: "Reader",
    model: LiveModel,
    prompts: Sequence[ReadPrompt],
    copies: int,
    sampling: Sampling,
    *,
    generator: "torch.Generator",
) -> Iterator[Rollout]:
    from guerdon_local.generation import complete

    ids = [prompt.ids for prompt in prompts]
    done = complete(reader, ids, copies, sampling, ends=end_ids(model), generator=generator)
    lengths, ended, logprobs = done.lengths.tolist(), done.ended.tolist(), done.logprobs.tolist()
    kept = [row[:length] for row, length in zip(done.tokens.tolist(), lengths, strict=True)]
    texts = model.tokenizer.batch_decode(kept, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    for row, text in enumerate(texts):
        prompt = prompts[row // copies]
        yield Rollout(
            prompt.task,
            text,
            truncated=not ended[row],
            prefill=prompt.prefill,
            prompt_ids=prompt.ids,
            completion_ids=kept[row],
            logprobs=logprobs[row][: lengths[row]],
        )
