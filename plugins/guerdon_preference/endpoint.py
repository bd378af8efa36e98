"""The reward `preference-endpoint`: a reward model that a server holds says what answers are worth."""

import math
from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from guerdon import Budget, GuerdonError, Rollout, Score, Unavailable, Verifier
from guerdon.endpoints import OPENAI, Endpoint, Refused, ServerOptions
from guerdon_preference.checkpoint import described
from guerdon_preference.conversation import Conversation, Written
from guerdon_preference.logit import HARMLESS, TRANSFORMERS, LogitReward
from guerdon_preference.serving import SERVED, Api

LARGEST_BODY = 1 << 20
"""Bytes of an answer that are read."""


class NoLogit(Exception):
    """The server has none for a text."""


class RewardServer(ServerOptions):
    """A server that holds a reward model."""

    base_url: str
    """Where it is, as in `http://localhost:8000`, without /v1."""
    api: Api = "vllm"
    """What it is: `vllm`, asked at /classify, or OpenRLHF's `serve_rm`, asked at /get_reward."""
    model: str = Field(min_length=1)
    """The model, as the server names it: for `vllm serve`, what that was given."""
    concurrency: int = Field(64, ge=1)
    """How many requests are waited for at the same time."""


class PreferenceEndpoint(LogitReward, Verifier):
    """What a reward model behind an endpoint thinks of an answer, valued as `preference-model` does.

    A text is written here, with the model's own tokenizer, and one request asks for its logit. vLLM is sent token ids,
    so that special tokens in an answer are text like any other; OpenRLHF's `serve_rm` takes text only, out of which
    they are left.

    An answer that does not fit beside its prompt earns the lowest value, and so does an empty one; a prompt that does
    not fit by itself is no score. A server that fails, or cannot be reached, is `unavailable`. If it refuses a text, or
    has no finite logit for it, a harmless answer to the prompt is tried: where that has a logit, the answer did it, and
    earns the lowest value; else the server is `unavailable`.
    """

    name: ClassVar[str] = "preference-endpoint"
    needs: ClassVar[Mapping[str, str]] = {**OPENAI, **TRANSFORMERS}
    budget: ClassVar[Budget] = Budget(wall_seconds=86_400.0)
    """Only in case that all else fails: a judging waits for its turn, and each request has `total_timeout`."""

    server: RewardServer
    """Where the model is, and what it has to be spared. OpenRLHF's cuts off what is longer than its `--data.max_len`,
    so that with it `max_length` has to be said, and must not be more."""
    tokenizer: str | None = None
    """A checkpoint directory, or a name on the Hugging Face hub, with the model's configuration and tokenizer, which
    are read here; the server's `model` unless set."""
    total_timeout: float = Field(900.0, gt=0)
    """Seconds that one request may take with its repetitions and the pauses that a server asks for. Waiting for its
    turn does not count."""

    _live: tuple[Endpoint, Conversation] | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _nothing_is_cut(self) -> Self:
        if self.server.api == "openrlhf" and "max_length" not in self.model_fields_set:
            what = "max_length: say it, no more than the server's `--data.max_len`, which cuts off what is longer"
            raise PydanticCustomError("preference", "{what}", {"what": what})
        return self

    def at_once(self) -> int:
        """More than there are places at the endpoint, so that none of those is ever free while others wait."""
        return 2 * self.server.concurrency

    async def open(self) -> None:
        """Make the client and read the tokenizer. Nothing is sent yet. Raises DataError for what is no reward model."""
        conversation = described(self.tokenizer or self.server.model).conversation
        self._live = self.server.endpoint_opened(self.total_timeout, LARGEST_BODY), conversation

    async def close(self) -> None:
        """Close the client."""
        if self._live is not None:
            endpoint, _ = self._live
            self._live = None
            await endpoint.client.close()

    async def verify(self, rollout: Rollout) -> Score:
        """What the model thinks of it. Raises Unavailable, and BadGroundTruth for a prompt that cannot be read."""
        if self._live is None:
            raise GuerdonError(f"reward '{self.name}'", "is not open", "use it inside `async with guerdon.opened(…)`")
        endpoint, conversation = self._live
        read = conversation.written(rollout.task, self.shown(rollout))
        if len(read.ids) > self.longest(conversation):
            return self.too_long(rollout, conversation, read)
        try:
            return self.worth(rollout, read, await self._logit(endpoint, read))
        except NoLogit as error:
            failure = error
        try:
            await self._logit(endpoint, conversation.written(rollout.task, HARMLESS))
        except NoLogit as error:
            raise Unavailable(f"{failure}; and for a harmless answer, {error}") from None
        return self.lowest(read, f"{failure}, while a harmless answer has a logit")

    async def _logit(self, endpoint: Endpoint, read: Written) -> float:
        served = SERVED[self.server.api]
        try:
            logit = await endpoint.ask(served.path, served.body(self.server.model, read), len(read.ids), served.read)
        except Refused as refused:
            if refused.only_this:
                raise NoLogit(refused.what) from None
            raise Unavailable(f"transport: {refused.what}; {refused.way_out}") from None
        if not math.isfinite(logit):
            raise NoLogit(f"the logit of {self.server.base_url} is no finite number")
        return logit
