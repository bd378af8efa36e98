"""The sampler `openai`: completions of a model that an OpenAI-compatible endpoint serves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, PrivateAttr

from guerdon import GuerdonError, LiveModel, Rollout, Sampler, Sampling, Task
from guerdon.endpoints import OPENAI, Cache, Endpoint, EndpointOptions
from guerdon_vllm.requesting import Round, requests_of


class OpenaiSampler(EndpointOptions, Sampler):
    """Asks an OpenAI-compatible endpoint, such as a vLLM server or DeepSeek's API, for completions of its model.

    What it is given as a checkpoint is not looked at: `guerdon eval --file FILE` names none. Thinking that comes apart
    from the answer (`reasoning_content`) is put before it, in `<think>` and `</think>`.
    """

    name: ClassVar[str] = "openai"
    needs: ClassVar[Mapping[str, str]] = OPENAI
    set_here: ClassVar[tuple[str, ...]] = (*EndpointOptions.set_here, "logprobs")

    endpoint: Literal["chat", "completions"] = "chat"
    """With `chat` a prompt that is text is sent as one message of the user; with `completions` the model is given it as
    it is, and messages are refused."""
    completions_per_request: int = Field(1, ge=1)
    """How many completions one request asks for, as `n`. A server that gives fewer is asked again; DeepSeek's gives
    one."""
    logprobs: bool = False
    """Ask for the log-probability of each token. Some servers refuse. vLLM gives those before temperature and `top_p`
    unless it was started with `--logprobs-mode processed_logprobs`."""
    cache: Path | None = None
    """A file that keeps every completion, so that after an interruption, or for another evaluation of the same, nothing
    is asked for twice."""

    _live: tuple[Endpoint, Cache | None] | None = PrivateAttr(None)

    @property
    def own_model(self) -> str:
        """The endpoint's."""
        return self.model

    async def open(self) -> None:
        """Make the client and open the cache. Nothing is sent yet. Raises DataError for a cache that cannot be used."""
        cache = Cache(self.cache) if self.cache else None
        self._live = (self.endpoint_opened(), cache)

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
