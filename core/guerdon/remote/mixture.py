"""A mixture whose rewards are served by others: submitted here, judged there, the same totals."""

import asyncio
import concurrent.futures
import itertools
import os
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Self
from urllib.parse import urlsplit

from guerdon.errors import GuerdonError, PluginError
from guerdon.remote.batches import Submission, pieces_of
from guerdon.remote.dispatch import Dispatcher
from guerdon.remote.protocol import INSTALL, TOKEN_VARIABLE, token
from guerdon.totals import Total
from guerdon.types import Rollout

WHERE = "reward servers"


class RemoteMixture:
    """The rewards that servers of `guerdon serve` have, used like a `Mixture`: any thread, any loop, one process.

    Rollouts go to the server that has the least to do. One that is gone or about to end is left out until it is there
    again, and what it had is judged by another; one that is full is given time. If `GUERDON_TOKEN` is set in the
    environment, it is the bearer token.
    """

    def __init__(self, urls: Sequence[str], *, expect: str | None = None, patience: float = 300.0) -> None:
        """`urls`: as in `http://verifier-1:8000`. `expect`: the `fingerprint` of the terms that must be served there.

        `patience`: when no server has been there for so many seconds, rollouts are `unavailable`. Raises GuerdonError
        for a URL that is none.
        """
        self.urls = list(dict.fromkeys(_checked(url) for url in urls))
        if not self.urls:
            raise GuerdonError(WHERE, "there is none", "name one, as in http://127.0.0.1:8000")
        self.expect, self.patience = expect, patience
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._dispatcher: Dispatcher | None = None
        self._pid = 0
        self._lock = threading.Lock()
        """Between looking whether it is open and handing it work, nobody may close it."""
        self._numbers = itertools.count()

    @property
    def needs_groups(self) -> bool:
        """Whether a reward compares the rollouts of a task with each other. The servers must have been asked."""
        return self._open_dispatcher().needs_groups

    def submit(
        self, rollouts: Sequence[Rollout], groups: Sequence[str] | None = None
    ) -> "concurrent.futures.Future[list[Total]]":
        """Start scoring, and return at once: as `Mixture.submit`. What nobody can judge for now is `unavailable`.

        The future raises RewardBroken if a reward is broken where it is served, and GuerdonError if a server refuses.
        """
        if groups is None and self.needs_groups:
            raise GuerdonError("rewards", "one compares the rollouts of a group", "say which rollouts belong together")
        if groups is not None and len(groups) != len(rollouts):
            raise GuerdonError(
                "groups", f"{len(groups)} for {len(rollouts)} rollouts", "name the group of each rollout"
            )
        for i, rollout in enumerate(rollouts):
            if not isinstance(rollout, Rollout) or not isinstance(rollout.completion, str):
                raise GuerdonError("rollouts", f"number {i} is no Rollout with a text as its completion", "make it one")
        submission, number = Submission(len(rollouts)), next(self._numbers)
        # What travels together comes from several submissions, and their groups may have the same names.
        own = [f"{number}/{group}" for group in groups] if groups is not None and self.needs_groups else None
        pieces = pieces_of(submission, rollouts, own)
        with self._lock:
            dispatcher = self._open_dispatcher()
            assert self._loop is not None
            if dispatcher.post(submission, pieces):
                self._loop.call_soon_threadsafe(dispatcher.collect)
        return submission.future

    async def score(self, rollouts: Sequence[Rollout], groups: Sequence[str] | None = None) -> list[Total]:
        """`submit`, awaited. From any loop."""
        return await asyncio.wrap_future(self.submit(rollouts, groups))

    def open(self) -> Self:
        """Ask every server how it is. Raises GuerdonError if none is there, or if one has other rewards."""
        if self._loop is not None:
            raise GuerdonError(
                WHERE, "are open already", "open them once, and use them from as many threads as you like"
            )
        if find_spec("aiohttp") is None:
            raise PluginError(WHERE, "need aiohttp, which is not installed", INSTALL)
        secret = token()
        self._loop, self._pid = asyncio.new_event_loop(), os.getpid()
        self._thread = threading.Thread(target=self._loop.run_forever, name="guerdon-remote", daemon=True)
        self._thread.start()
        try:
            opening = self._open(secret)
            self._dispatcher = asyncio.run_coroutine_threadsafe(opening, self._loop).result()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Let go of the servers. What they still judge is given up."""
        if os.getpid() != self._pid:
            return  # a forked copy of the process that opened it has nothing to close
        with self._lock:
            loop, thread, dispatcher = self._loop, self._thread, self._dispatcher
            self._loop = self._thread = self._dispatcher = None
        if loop is None or thread is None:
            return
        try:
            if dispatcher is not None:
                asyncio.run_coroutine_threadsafe(dispatcher.close(), loop).result()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.open)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.close)

    async def _open(self, secret: str | None) -> Dispatcher:
        from aiohttp import ClientSession, DummyCookieJar, TCPConnector

        client = ClientSession(
            headers={"authorization": f"Bearer {secret}"} if secret else {},
            connector=TCPConnector(limit=0),
            cookie_jar=DummyCookieJar(),
        )
        dispatcher = Dispatcher(self.urls, client, self.expect, self.patience)
        try:
            await dispatcher.open()
        except BaseException:
            await dispatcher.close()
            raise
        return dispatcher

    def _open_dispatcher(self) -> Dispatcher:
        dispatcher = self._dispatcher
        if dispatcher is None or os.getpid() != self._pid:
            state = "are not open" if dispatcher is None else "were opened by another process"
            raise GuerdonError(WHERE, state, "use them inside `with`, in the process that opened them")
        return dispatcher


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError:
        good, parts = False, urlsplit("")
    if not good or parts.query or parts.fragment:
        raise GuerdonError(f"reward server {url!r}", "is no address", "write it as in http://verifier-1:8000")
    if parts.username is not None or parts.password is not None:
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        raise GuerdonError(f"reward server {shown}", "has a secret in its address", f"put it into {TOKEN_VARIABLE}")
    return url.rstrip("/")
