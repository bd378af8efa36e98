"""One request to an endpoint: within its limits, again where it is worth it, else a clear error."""

import asyncio
import email.utils
import json
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from guerdon.endpoints.allowance import Allowance
from guerdon.endpoints.reading import Malformed, TooLarge

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

_Answer = TypeVar("_Answer")

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before the first repetition; it doubles each time, up to the longest."""
LONGEST_RETRY_AFTER = 3600.0
"""Seconds. A server that asks for a longer pause is not waited for."""
NEWEST = 0.1
"""What the newest answer counts, beside all before, when it is reckoned how many tokens the next one will use."""
LONGEST_SHOWN = 300
"""Characters of a server's that an error repeats."""
BAD_REQUEST = (400, 413, 422)
"""What a server says of one request, where the next one may be all right."""


class Unreached(Exception):
    """Nothing came, or not all of it."""


class Late(Unreached):
    """Nothing came in time."""


class Status(Exception):
    """An answer that says that it failed."""

    def __init__(self, status: int, headers: Mapping[str, str], text: str) -> None:
        super().__init__(status)
        self.status, self.headers, self.code, self.said = status, headers, None, text
        try:
            error = json.loads(text)["error"]
            self.code, self.said = error.get("code"), str(error["message"])
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            pass

    @property
    def no_money(self) -> bool:
        """Whether it wants to be paid."""
        return self.status == 402 or (self.status == 429 and self.code == "insufficient_quota")

    @property
    def passing(self) -> bool:
        """Whether it may be another one next time."""
        return self.status in (408, 409, 425) or self.status >= 500 or (self.status == 429 and not self.no_money)


Failure = Unreached | Status | Malformed


class Usage:
    """How much of what requests may use they do use, as far as they have shown."""

    def __init__(self) -> None:
        self._share: float | None = None

    def reckoned(self, most: int) -> int:
        """What a request will use that may use so many tokens; all of them until one was answered."""
        return most if self._share is None else max(1, round(most * self._share))

    def note(self, used: int, most: int) -> None:
        """One that might have used `most` has used so many."""
        share = used / max(1, most)
        self._share = share if self._share is None else self._share + NEWEST * (share - self._share)


class Sent:
    """How long a request was under way."""

    seconds = 0.0

    def __enter__(self) -> None:
        self._begun = time.monotonic()

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._begun


class Refused(Exception):
    """A request that was not answered, after all repetitions.

    `only_this`: it is this request that the endpoint does not take, or cannot answer in short; others may be.
    """

    def __init__(self, what: str, way_out: str, only_this: bool = False) -> None:
        super().__init__(what)
        self.what, self.way_out, self.only_this = what, way_out, only_this


@dataclass(frozen=True)
class Endpoint:
    """A client with what it has to keep to. Repetitions are made here: each of them counts against the limits."""

    client: "ClientSession"
    base_url: str
    key_variable: str
    key: str | None = field(repr=False)
    max_retries: int
    largest: int
    """Bytes of an answer that are read."""
    places: asyncio.Semaphore
    requests: Allowance
    tokens: Allowance
    total_seconds: float = math.inf
    """How long a request may take with all its repetitions, not counting where it waits for its turn."""
    usage: Usage = field(default_factory=Usage)
    sending: set["asyncio.Task[Any]"] = field(default_factory=set)
    """Who waits for an answer at the moment."""

    async def ask(
        self,
        path: str,
        body: Mapping[str, Any],
        tokens: int,
        read: Callable[[str], tuple[_Answer, int | None]],
        wanted: Callable[[], bool] = lambda: True,
    ) -> _Answer:
        """What `read` makes of the answer to a request: that, and the tokens that were used; or it raises Malformed.

        `path`: what follows `base_url`. `tokens`: how many it may use at most. It is not repeated once it is no longer
        `wanted`. Raises Refused.
        """
        attempt, left = 0, self.total_seconds
        while True:
            sent = Sent()
            try:
                return await self._once(path, body, tokens, read, sent=sent, seconds=left)
            except TimeoutError:
                raise self._too_late(attempt) from None
            except (Unreached, Status, Malformed) as error:
                again = error.passing if isinstance(error, Status) else not isinstance(error, TooLarge)
                asked = _retry_after(error.headers) if isinstance(error, Status) else None
                if asked is not None and asked > LONGEST_RETRY_AFTER:
                    again = False
                wait = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT) * random.uniform(0.75, 1.0)
                wait = wait if asked is None else asked
                left -= sent.seconds + wait
                if not again or attempt >= self.max_retries or not wanted():
                    raise self._refused(error, attempt) from None
                if left <= 0:
                    raise self._too_late(attempt, None if isinstance(error, Late) else error) from None
            if asked is not None:
                self.requests.pause(asked)  # others would be told the same
            await asyncio.sleep(wait)
            attempt += 1

    async def _once(
        self,
        path: str,
        body: Mapping[str, Any],
        tokens: int,
        read: Callable[[str], tuple[_Answer, int | None]],
        *,
        sent: "Sent",
        seconds: float,
    ) -> _Answer:
        async with self.places:
            taken, used = await self.tokens.take(lambda: self.usage.reckoned(tokens)), 0
            try:
                await self.requests.take(lambda: 1)
                with self._under_way(), sent:
                    async with asyncio.timeout(None if seconds == math.inf else seconds):
                        text = await self._send(path, body)
                used = taken  # unless it says how many
                answer, said = read(text)
                used = said if said is not None else taken
                self.usage.note(used, tokens)
                return answer
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

    async def _send(self, path: str, body: Mapping[str, Any]) -> str:
        from aiohttp import ClientError, InvalidURL

        data = json.dumps(body).encode()
        try:
            async with self.client.post(self.base_url.rstrip("/") + path, data=data) as response:
                text = await self._text(response)
                if response.status >= 400:
                    raise Status(response.status, response.headers, text)
                return text
        except TimeoutError:
            raise Late from None
        except (ClientError, InvalidURL, OSError) as error:
            raise Unreached(str(error)) from None

    async def _text(self, response: "ClientResponse") -> str:
        content = bytearray()
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > self.largest:
                raise TooLarge(f"has more than {self.largest} bytes")
        return content.decode(errors="replace")

    def _refused(self, error: Failure, repeated: int) -> Refused:
        here = self.base_url
        times = f", {repeated + 1} times" if repeated else ""
        if isinstance(error, TooLarge):
            return Refused(f"the answer of {here} {error}", "ask for less", only_this=True)
        if isinstance(error, Malformed):
            way_out = "see whether `base_url` is that of the API; an OpenAI-compatible one often ends in /v1"
            return Refused(f"the answer of {here} {self._shown(str(error))}{times}", way_out)
        if isinstance(error, Late):
            return Refused(f"{here} gives no answer in time{times}", "raise `timeout`, or lower `concurrency`")
        if isinstance(error, Unreached):
            why = f": {self._shown(str(error))}" if str(error) else ""
            way_out = "see whether it is running, and whether `base_url` is right"
            return Refused(f"{here} cannot be reached{why}{times}", way_out)
        status, said = error.status, f"({error.status}: {self._shown(error.said)})"
        if status in (401, 403):
            is_set = "see whether that is the right one" if self.key else "it is not set"
            way_out = f"the key is taken from the environment variable {self.key_variable}; {is_set}"
            return Refused(f"{here} refuses the key {said}", way_out)
        if status == 404:
            return Refused(f"{here} does not know what is asked for {said}", "look at `model` and `base_url`")
        if error.no_money:
            return Refused(f"{here} wants to be paid {said}", "add to your balance there")
        if status == 429:
            way_out = "set `requests_per_minute` or `tokens_per_minute`, or lower `concurrency`"
            return Refused(f"{here} asks to come later{times} {said}", way_out)
        if status in BAD_REQUEST:
            way_out = "a shorter prompt or completion may help, or `leave_out`, for a field that it does not take"
            return Refused(f"{here} refuses the request {said}", way_out, only_this=True)
        return Refused(f"{here} fails{times} {said}", "look at its log, and try again")

    def _too_late(self, repeated: int, error: Failure | None = None) -> Refused:
        last = f"; the last time, {self._refused(error, 0).what}" if error is not None else ""
        times = f", asked {repeated + 1} times" if repeated else ""
        return Refused(
            f"{self.base_url} gives no answer within the {self.total_seconds:g} s that there are in all{times}{last}",
            "allow more time in all, or lower `concurrency`",
        )

    def _shown(self, text: str) -> str:
        """The beginning of what somebody else wrote, in one line and without the key, which a server may repeat."""
        line = " ".join((text.replace(self.key, "…") if self.key else text).split())
        return line if len(line) <= LONGEST_SHOWN else line[:LONGEST_SHOWN] + "…"


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
