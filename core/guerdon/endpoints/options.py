"""Where an endpoint is, and what it has to be spared: the options of whatever asks one."""

import asyncio
import os
import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, get_args
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from guerdon.endpoints.allowance import Allowance
from guerdon.endpoints.asking import Endpoint

OPENAI: Mapping[str, str] = {"aiohttp": "pip install 'guerdon[openai]'"}
"""What a plug that asks endpoints `needs`."""
Sent = Literal["temperature", "top_p", "max_tokens", "seed"]


class ServerOptions(BaseModel):
    """Options of whatever asks a server over HTTP, besides its own."""

    # an option may hold a key by mistake
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    base_url: str
    """Where the API is, as in `https://api.deepseek.com` or `http://localhost:8000/v1`."""
    api_key_env: str = "OPENAI_API_KEY"
    """The name of the environment variable that holds the key. A server that wants no key is given none."""
    concurrency: int = Field(32, ge=1)
    """How many requests are waited for at the same time."""
    requests_per_minute: int | None = Field(None, ge=1)
    """How many requests may be sent in a minute, evenly, repeated ones included; no limit if you do not say."""
    tokens_per_minute: int | None = Field(None, ge=1)
    """How many tokens may be used in a minute, of prompts and completions; no limit if you do not say. Until a request
    is answered, what those before it have used is reckoned; of the first, the most that it may use."""
    max_retries: int = Field(8, ge=0)
    """How often a request is repeated: after a refusal for now (429), a failure of the server, a lost connection or an
    answer that is none. The wait grows from half a second to half a minute, unless the server says how long."""
    timeout: float = Field(600.0, gt=0)
    """Seconds without a sign of life after which a request is given up and repeated."""

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            what = "base_url is no address that begins with http:// or https://"
        elif parts.username or parts.password or parts.query:
            what = "base_url: a key has no place in it; put it into the environment variable that api_key_env names"
        elif not re.fullmatch(r"[A-Za-z_]\w*", self.api_key_env, re.ASCII):
            what = "api_key_env is the name of an environment variable, and not the key itself"
        else:
            return self
        raise PydanticCustomError("endpoint", "{what}", {"what": what})

    def endpoint_opened(self, total_seconds: float = float("inf"), largest: int = 1 << 30) -> Endpoint:
        """The endpoint, for the loop that asks it. Nothing is sent yet.

        `total_seconds`: how long one request may take with all its repetitions, not counting where it waits for its
        turn. `largest`: the bytes of an answer that are read.
        """
        from aiohttp import ClientSession, ClientTimeout, TCPConnector

        key = os.environ.get(self.api_key_env) or None
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
        client = ClientSession(
            headers=headers,
            connector=TCPConnector(limit=0),
            timeout=ClientTimeout(total=None, sock_connect=self.timeout, sock_read=self.timeout),
            proxy=_proxy(self.base_url),
        )
        return Endpoint(
            client=client,
            base_url=self.base_url,
            key_variable=self.api_key_env,
            key=key,
            max_retries=self.max_retries,
            largest=largest,
            total_seconds=total_seconds,
            places=asyncio.Semaphore(self.concurrency),
            requests=Allowance(self.requests_per_minute),
            tokens=Allowance(self.tokens_per_minute),
        )


class EndpointOptions(ServerOptions):
    """Options of what asks an OpenAI-compatible endpoint: those of a plug, or a table inside of one."""

    set_here: ClassVar[tuple[str, ...]] = ("model", "messages", "prompt", "n", "stream")
    """What of a request is nobody else's to set."""

    model: str
    """The model, as the endpoint names it."""
    leave_out: tuple[Sent, ...] = ()
    """What is not sent, because the server refuses it, and takes its own default for."""
    extra_body: dict[str, Any] = Field(default_factory=dict)
    """What is sent besides, as in `{ top_k = 20 }`; vLLM gives token ids for `{ return_token_ids = true }`."""

    @model_validator(mode="after")
    def _sends_nothing_twice(self) -> Self:
        if taken := sorted(({*get_args(Sent), *self.set_here} - {*self.leave_out}) & {*self.extra_body}):
            what = f"extra_body: `{taken[0]}` is not for you to set, unless `leave_out` can name it and does"
            raise PydanticCustomError("endpoint", "{what}", {"what": what})
        return self


def _proxy(url: str) -> str | None:
    """What the environment says, asked once: aiohttp itself would ask in a thread for each request."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.hostname or "") else getproxies().get(parts.scheme)
