"""One request to an OpenAI-compatible endpoint: within its limits, again where it is worth it, else a clear error."""

import asyncio
import email.utils
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from guerdon_vllm.allowance import Allowance
from guerdon_vllm.answers import Answer, Malformed, answers_of

if TYPE_CHECKING:
    from openai import APIError, AsyncOpenAI

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before the first repetition; it doubles each time, up to the longest."""
LONGEST_RETRY_AFTER = 3600.0
"""Seconds. A server that asks for a longer pause is not waited for."""
LONGEST_SHOWN = 300
"""Characters of a server's that an error repeats."""
BAD_REQUEST = (400, 413, 422)
"""What a server says of one request, where the next one may be all right."""


class Refused(Exception):
    """A request that was not answered, after all repetitions. `only_this`: others may be."""

    def __init__(self, what: str, way_out: str, only_this: bool = False) -> None:
        super().__init__(what)
        self.what, self.way_out, self.only_this = what, way_out, only_this


@dataclass(frozen=True)
class Endpoint:
    """A client with what it has to keep to. Repetitions are made here: each of them counts against the limits."""

    client: "AsyncOpenAI"
    base_url: str
    key_variable: str
    key: str | None
    max_retries: int
    places: asyncio.Semaphore
    requests: Allowance
    tokens: Allowance
    sending: set["asyncio.Task[Any]"] = field(default_factory=set)
    """Who waits for an answer at the moment."""

    async def ask(self, body: Mapping[str, Any], tokens: int, wanted: Callable[[], bool]) -> list[Answer]:
        """The completions that it gives for a request, of which there may be fewer than `n`.

        `tokens`: how many it may use at most. It is not repeated once it is no longer `wanted`. Raises Refused.
        """
        from openai import APIConnectionError, APIError, APIStatusError

        attempt = 0
        while True:
            try:
                return await self._once(body, tokens)
            except (APIError, Malformed) as error:
                response = error.response if isinstance(error, APIStatusError) else None
                again = isinstance(error, APIConnectionError | Malformed) or (response is not None and _passing(error))
                asked = _retry_after(response.headers) if response is not None else None
                if asked is not None and asked > LONGEST_RETRY_AFTER:
                    again = False
                if not again or attempt >= self.max_retries or not wanted():
                    raise self._refused(error, attempt) from None
            if asked is not None:
                self.requests.pause(asked)  # others would be told the same
            wait = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT) * random.uniform(0.75, 1.0)
            await asyncio.sleep(wait if asked is None else asked)
            attempt += 1

    async def _once(self, body: Mapping[str, Any], tokens: int) -> list[Answer]:
        async with self.places:
            taken, used = await self.tokens.take(tokens), 0
            try:
                await self.requests.take(1)
                with self._under_way():
                    text = await self._send(body)
                used = taken  # unless it says how many
                answers, said = answers_of(text)
                used = said if said is not None else taken
                return answers
            finally:
                self.tokens.give_back(taken - used)

    @contextmanager
    def _under_way(self) -> Iterator[None]:
        job = asyncio.current_task()
        assert job is not None
        self.sending.add(job)
        try:
            yield
        finally:
            self.sending.discard(job)

    async def _send(self, body: Mapping[str, Any]) -> str:
        rest = {name: value for name, value in body.items() if name not in ("model", "messages", "prompt")}
        if "messages" in body:
            chat = self.client.chat.completions.with_raw_response
            answer = await chat.create(model=body["model"], messages=body["messages"], extra_body=rest)
            return answer.http_response.text
        plain = self.client.completions.with_raw_response
        return (await plain.create(model=body["model"], prompt=body["prompt"], extra_body=rest)).http_response.text

    def _refused(self, error: "APIError | Malformed", repeated: int) -> Refused:
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        here = self.base_url
        times = f", {repeated + 1} times" if repeated else ""
        if isinstance(error, Malformed):
            way_out = "see whether `base_url` is that of an OpenAI-compatible API, which often ends in /v1"
            return Refused(f"the answer of {here} {self._shown(str(error))}{times}", way_out)
        if isinstance(error, APITimeoutError):
            return Refused(f"{here} gives no answer in time{times}", "raise `timeout`, or lower `concurrency`")
        if isinstance(error, APIConnectionError):
            why = f": {self._shown(str(error.__cause__))}" if str(error.__cause__ or "") else ""
            way_out = "see whether it is running, and whether `base_url` is right"
            return Refused(f"{here} cannot be reached{why}{times}", way_out)
        status = error.status_code if isinstance(error, APIStatusError) else 0
        said = f"({status}: {self._shown(_message(error))})"
        if status in (401, 403):
            is_set = "see whether that is the right one" if self.key else "it is not set"
            way_out = f"the key is taken from the environment variable {self.key_variable}; {is_set}"
            return Refused(f"{here} refuses the key {said}", way_out)
        if status == 404:
            return Refused(f"{here} does not know what is asked for {said}", "look at `model` and `base_url`")
        if status == 402 or (status == 429 and _no_money(error)):
            return Refused(f"{here} wants to be paid {said}", "add to your balance there")
        if status == 429:
            way_out = "set `requests_per_minute` or `tokens_per_minute`, or lower `concurrency`"
            return Refused(f"{here} asks to come later{times} {said}", way_out)
        if status in BAD_REQUEST:
            way_out = "a shorter prompt or completion may help, or `leave_out`, for a field that it does not take"
            return Refused(f"{here} refuses the request {said}", way_out, only_this=True)
        return Refused(f"{here} fails{times} {said}", "look at its log, and try again")

    def _shown(self, text: str) -> str:
        """The beginning of what somebody else wrote, in one line and without the key, which a server may repeat."""
        line = " ".join((text.replace(self.key, "…") if self.key else text).split())
        return line if len(line) <= LONGEST_SHOWN else line[:LONGEST_SHOWN] + "…"


def _passing(error: Any) -> bool:
    """Whether a status may be another one next time."""
    status = error.status_code
    return status in (408, 409, 425) or status >= 500 or (status == 429 and not _no_money(error))


def _no_money(error: Any) -> bool:
    return getattr(error, "code", None) == "insufficient_quota"


def _message(error: Any) -> str:
    body = error.body
    said = body.get("message") if isinstance(body, dict) else None
    return str(said or error.message)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, from a header that holds seconds or a date; None where there is none that makes sense."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return seconds if seconds > 0 else None
