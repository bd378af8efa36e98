"""One reward server as its client sees it: what it serves, whether it is there, and what it answers."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any

from guerdon.errors import DataError, GuerdonError, RewardBroken
from guerdon.remote.fingerprint import difference
from guerdon.remote.protocol import FINGERPRINT_HEADER, TOKEN_VARIABLE

if TYPE_CHECKING:
    from aiohttp import ClientSession

log = logging.getLogger("guerdon")

CONNECT_SECONDS = 10.0
HEALTH_SECONDS = 5.0
"""How long a server may take to say how it is, and how often one that has work is asked."""
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 5.0
"""Seconds between two looks at a server that is gone: twice as long each time."""
SILENT = 3
"""How often in a row a server that has work must not answer, to be held to be gone."""


class Lost(Exception):
    """A server is gone: ask another one."""


class Leaving(Lost):
    """A server takes nothing more, and finishes what it has."""


class Full(Exception):
    """A server has no room; `seconds` says when it may."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Unusable(Exception):
    """A server is there, and can be of no use: it serves something else, or to others."""

    def __init__(self, error: GuerdonError) -> None:
        super().__init__(str(error))
        self.error = error


class Refused(Exception):
    """A request is wrong, whichever server is asked."""

    def __init__(self, error: GuerdonError) -> None:
        self.error = error


class Endpoint:
    """A server. It belongs to the loop that it is used on."""

    def __init__(self, url: str, client: "ClientSession", expect: str | None, changed: Callable[[], None]) -> None:
        """`changed` is called when it comes or goes."""
        self.url, self.client, self.expect, self.changed = url, client, expect, changed
        self.facts: Mapping[str, Any] = {}
        """What it last said of itself."""
        self.alive = False
        self.why: Lost | Unusable | None = None
        """Why it is not alive."""
        self.rests_until = 0.0
        self.in_flight = 0
        """Rollouts."""
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def size(self) -> int:
        """How many rollouts it takes at once, from all its clients."""
        return int(self.facts["queue"]["size"])

    async def greet(self) -> None:
        """Ask how it is, and remember what it says. Raises Lost and Unusable."""
        status, content = await self._asked("GET", "/health", seconds=HEALTH_SECONDS)
        if status == 401:
            raise self._unauthorised()
        try:
            facts = json.loads(content)
            served, draining, _ = str(facts["fingerprint"]), bool(facts["draining"]), int(facts["queue"]["size"])
        except (ValueError, LookupError, TypeError):
            if status >= 500:
                raise Lost(f"answers with {status}") from None
            raise self._unusable("is no server of `guerdon serve`", "look at the address") from None
        if draining:
            raise Leaving("is about to end")
        if self.expect is not None and served != self.expect:
            raise self._another(difference(facts, self.expect))
        self.facts = facts

    async def watch(self) -> None:
        """Look after it, for ever: find out that it went silent with work, and when it is there again."""
        pause, missed = FIRST_PAUSE, 0
        while True:
            if self.alive:
                await asyncio.wait([self._gone], timeout=HEALTH_SECONDS)
            else:
                await asyncio.sleep(pause)
                pause = min(LONGEST_PAUSE, 2 * pause)
            if self.alive and not self.in_flight:
                continue
            try:
                await self.greet()
            except (Lost, Unusable) as error:
                missed += 1
                if not self.alive or missed >= SILENT or isinstance(error, Unusable):
                    self.lose(error)
            else:
                pause, missed = FIRST_PAUSE, 0
                if not self.alive:
                    log.warning("reward server %s is there again", self.url)
                    self.come()

    def come(self) -> None:
        """It is there."""
        self.alive, self._gone = True, asyncio.get_running_loop().create_future()
        self.changed()

    def lose(self, why: Lost | Unusable) -> None:
        """It is not there, or of no use: whoever waits for it asks another one."""
        if self.alive or type(why) is not type(self.why):
            log.warning("reward server %s is left out until it answers well: %s", self.url, why)
        self.alive, self.why = False, why
        if not isinstance(why, Leaving) and not self._gone.done():
            self._gone.set_result(None)
        self.changed()

    async def score(self, body: bytes) -> list[dict[str, Any]]:
        """Have rollouts scored: a verdict for each. Raises Lost, Full, Unusable, Refused, and GuerdonError."""
        headers = {"content-type": "application/json"}
        if self.expect is not None:
            headers[FINGERPRINT_HEADER] = self.expect
        # Judging takes as long as it takes: `watch` finds out whether anybody is still there.
        asking = asyncio.ensure_future(self._asked("POST", "/score", data=BytesIO(body), headers=headers))
        try:
            either: set[asyncio.Future[Any]] = {asking, self._gone}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not asking.done():
                raise Lost(str(self.why))
            status, content = asking.result()
        finally:
            asking.cancel()
        try:
            said = json.loads(content)
            if status == 200:
                return list(said["scores"])
            mistake, seconds = said["errors"][0], float(said.get("retry_after", 1.0))
            kind, where, what, way_out = (str(mistake[key]) for key in ("kind", "where", "what", "way_out"))
        except (ValueError, LookupError, TypeError):
            # Something between may answer for a server that is gone.
            raise Lost(f"answers with {status}") from None
        where = f"reward server {self.url}: {where}"
        match status:
            case 401:
                raise self._unauthorised()
            case 409:
                raise self._another(what)
            case 413 | 422:
                raise Refused(DataError(where, what, way_out))
            case 503:
                raise Full(seconds) if kind == "Full" else Leaving(what)
            case _:
                raise (RewardBroken if kind == "RewardBroken" else GuerdonError)(where, what, way_out)

    async def _asked(self, method: str, path: str, seconds: float | None = None, **more: Any) -> tuple[int, bytes]:
        from aiohttp import ClientError, ClientTimeout

        limits = ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        try:
            async with self.client.request(method, self.url + path, timeout=limits, **more) as answer:
                return answer.status, await answer.read()
        except (ClientError, OSError, TimeoutError) as error:
            raise Lost(str(error) or type(error).__name__) from None

    def _unusable(self, what: str, way_out: str) -> Unusable:
        return Unusable(GuerdonError(f"reward server {self.url}", what, way_out))

    def _unauthorised(self) -> Unusable:
        known = "authorization" in self.client.headers
        what = f"takes another token than that of {TOKEN_VARIABLE}" if known else "wants a token"
        return self._unusable(what, f"set {TOKEN_VARIABLE} here to what it is there")

    def _another(self, what: str) -> Unusable:
        return self._unusable(f"serves other rewards than are meant here: {what}", "give both one run file")
