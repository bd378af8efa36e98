"""The sampler `openai`: completions of a model that an OpenAI-compatible endpoint serves."""

import asyncio
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from guerdon import GuerdonError, LiveModel, Rollout, Sampler, Sampling, Task
from guerdon_vllm.allowance import Allowance
from guerdon_vllm.asking import Endpoint
from guerdon_vllm.cache import Cache
from guerdon_vllm.requesting import Round, requests_of

Sent = Literal["temperature", "top_p", "max_tokens", "seed"]
OURS = ("model", "messages", "prompt", "n", "stream", "logprobs")


class OpenaiSampler(Sampler):
    """Asks an OpenAI-compatible endpoint, such as a vLLM server or DeepSeek's API, for completions of its model.

    What it is given as a checkpoint is not looked at: `guerdon eval --file FILE` names none. Thinking that comes apart
    from the answer (`reasoning_content`) is put before it, in `<think>` and `</think>`.
    """

    # an option may hold a key by mistake
    model_config = ConfigDict(hide_input_in_errors=True)

    name: ClassVar[str] = "openai"
    needs: ClassVar[Mapping[str, str]] = {"openai": "pip install 'guerdon[openai]'"}

    base_url: str
    """Where the API is, as in `https://api.deepseek.com` or `http://localhost:8000/v1`."""
    model: str
    """The model, as the endpoint names it."""
    api_key_env: str = "OPENAI_API_KEY"
    """The name of the environment variable that holds the key. A server that wants no key is given none."""
    endpoint: Literal["chat", "completions"] = "chat"
    """With `chat` a prompt that is text is sent as one message of the user; with `completions` the model is given it as
    it is, and messages are refused."""
    concurrency: int = Field(32, ge=1)
    """How many requests are waited for at the same time."""
    completions_per_request: int = Field(1, ge=1)
    """How many completions one request asks for, as `n`. A server that gives fewer is asked again; DeepSeek's gives
    one."""
    requests_per_minute: int | None = Field(None, ge=1)
    """How many requests may be sent in a minute, evenly, repeated ones included; no limit if you do not say."""
    tokens_per_minute: int | None = Field(None, ge=1)
    """How many tokens may be used in a minute, of prompts and completions; no limit if you do not say. Until a request
    is answered, the most that it may use is reckoned."""
    max_retries: int = Field(8, ge=0)
    """How often a request is repeated: after a refusal for now (429), a failure of the server, a lost connection or an
    answer that is none. The wait grows from half a second to half a minute, unless the server says how long."""
    timeout: float = Field(600.0, gt=0)
    """Seconds without a sign of life after which a request is given up and repeated."""
    logprobs: bool = False
    """Ask for the log-probability of each token. Some servers refuse. vLLM gives those before temperature and `top_p`
    unless it was started with `--logprobs-mode processed_logprobs`."""
    leave_out: tuple[Sent, ...] = ()
    """What is not sent, because the server refuses it, and takes its own default for."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """What is sent besides, as in `{ top_k = 20 }`; vLLM gives token ids for `{ return_token_ids = true }`."""
    cache: Path | None = None
    """A file that keeps every completion, so that after an interruption, or for another evaluation of the same, nothing
    is asked for twice."""

    _live: tuple[Endpoint, Cache | None] | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            what = "base_url is no address that begins with http:// or https://"
        elif parts.username or parts.password or parts.query:
            what = "base_url: a key has no place in it; put it into the environment variable that api_key_env names"
        elif not re.fullmatch(r"[A-Za-z_]\w*", self.api_key_env, re.ASCII):
            what = "api_key_env is the name of an environment variable, and not the key itself"
        elif taken := sorted(({*get_args(Sent), *OURS} - {*self.leave_out}) & {*self.extra_body}):
            what = f"extra_body: `{taken[0]}` is not for you to set, unless `leave_out` can name it and does"
        else:
            return self
        raise PydanticCustomError("endpoint", "{what}", {"what": what})

    @property
    def own_model(self) -> str:
        """The endpoint's."""
        return self.model

    async def open(self) -> None:
        """Make the client and open the cache. Nothing is sent yet. Raises DataError for a cache that cannot be used."""
        from openai import AsyncOpenAI

        cache = Cache(self.cache) if self.cache else None
        key = os.environ.get(self.api_key_env) or None
        # the library wants one, and a server without keys does not read it
        client = AsyncOpenAI(api_key=key or "none", base_url=self.base_url, timeout=self.timeout, max_retries=0)
        self._live = (
            Endpoint(
                client,
                self.base_url,
                self.api_key_env,
                key,
                self.max_retries,
                asyncio.Semaphore(self.concurrency),
                Allowance(self.requests_per_minute),
                Allowance(self.tokens_per_minute),
            ),
            cache,
        )

    async def close(self) -> None:
        """Close both."""
        if self._live is not None:
            endpoint, cache = self._live
            self._live = None
            if cache is not None:
                cache.close()
            await endpoint.client.close()

    async def sample(
        self, model: LiveModel | Path, tasks: Sequence[Task], group_size: int, sampling: Sampling
    ) -> list[list[Rollout]]:
        """`group_size` rollouts of each task, in order, of the endpoint's model; `model` is not looked at.

        They are the same again from the cache, and else as far as the server heeds `seed`. Token ids and
        log-probabilities are there where the server gives them. Raises GuerdonError, which names the task, when a
        request fails for good; what was completed is in the cache then.
        """
        if isinstance(model, LiveModel):
            what = f"samples from {self.model}, and would say nothing of the model that is being trained"
            raise GuerdonError("sampler 'openai'", what, 'use the sampler "local" with this trainer')
        if self._live is None:
            raise GuerdonError("sampler 'openai'", "is not open", "use it inside `async with guerdon.opened(sampler)`")
        endpoint, cache = self._live
        told = [self.base_url.rstrip("/"), sampling.seed]
        requests = requests_of(tasks, group_size, self._fixed(sampling), chat=self.endpoint == "chat", told=told)
        seeded = "seed" not in self.leave_out
        at_once = self.completions_per_request if sampling.temperature > 0 else 1  # vLLM takes the likeliest only once
        of_this_call = Round(endpoint, cache, at_once, seeded, sampling.max_completion_length)
        return await of_this_call.complete(requests)

    def _fixed(self, sampling: Sampling) -> dict[str, Any]:
        """What every request sends."""
        usual: dict[str, Any] = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_completion_length,
        }
        fixed = {"model": self.model, **{name: usual[name] for name in usual if name not in self.leave_out}}
        if self.logprobs:
            # of a text it is how many more tokens than the drawn one are wanted
            fixed["logprobs"] = True if self.endpoint == "chat" else 0
        return {**fixed, **self.extra_body}
