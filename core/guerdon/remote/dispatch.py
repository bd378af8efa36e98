"""Which server gets what: rollouts gather to batches, and a batch goes to the server that has the least to do."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from guerdon.errors import GuerdonError
from guerdon.remote.batches import MOST_ROLLOUTS, Batch, Piece, Submission
from guerdon.remote.endpoint import Endpoint, Full, Lost, Refused, Unusable
from guerdon.remote.fingerprint import difference
from guerdon.totals import TermScore, Total
from guerdon.types import Outcome, Score

if TYPE_CHECKING:
    from aiohttp import ClientSession

GATHERING_SECONDS = 0.002
"""How long a rollout waits for company on its way: a request for each would cost more than the judging of many."""
MOST_LOSSES = 10
"""How often a server may be lost that has the same rollouts, before they are held to be the reason."""
TICK_SECONDS = 0.5
"""How often it is asked whether any server is there."""


class Dispatcher:
    """Everything of a RemoteMixture that lives on its loop."""

    def __init__(self, urls: Sequence[str], client: "ClientSession", expect: str | None, patience: float) -> None:
        self.client, self.expect, self.patience = client, expect, patience
        self.endpoints = [Endpoint(url, client, expect, self.pump) for url in urls]
        self.names: list[str] = []
        self.needs_groups = False
        self.most = MOST_ROLLOUTS
        self.submissions: set[Submission] = set()
        self.posted: list[tuple[Submission, Sequence[Piece]]] = []
        self.lock = threading.Lock()
        """Around what is posted."""
        self.waiting: deque[Batch] = deque()
        self.tasks: set[asyncio.Task[None]] = set()
        self.alone_since: float | None = None
        """Since when no server is there."""

    async def open(self) -> None:
        """Ask every server how it is. Raises GuerdonError."""
        found: list[Lost | None] = []
        for answer in await asyncio.gather(*(one.greet() for one in self.endpoints), return_exceptions=True):
            if isinstance(answer, Unusable):
                raise answer.error
            if isinstance(answer, BaseException) and not isinstance(answer, Lost):
                raise answer
            found.append(answer)
        answers = list(zip(self.endpoints, found, strict=True))
        there = [one for one, lost in answers if lost is None]
        if not there:
            noun = "reward server" if len(answers) == 1 else "reward servers"
            what = "; ".join(f"{one.url} {lost}" for one, lost in answers)
            way_out = "start one with `guerdon serve FILE`, or look at the address"
            raise GuerdonError(noun, f"down at start: {what}", way_out)
        facts = there[0].facts
        self.names, self.needs_groups = [term["name"] for term in facts["terms"]], facts["needs_groups"]
        for one in there[1:]:
            if one.facts["fingerprint"] != facts["fingerprint"]:
                what = f"{one.url} and {there[0].url} serve other rewards: "
                what += difference(one.facts, facts["fingerprint"])
                raise GuerdonError("reward servers", what, "give all of them one run file")
        self.most = min(MOST_ROLLOUTS, *(one.size for one in there))
        for one, lost in answers:
            one.expect = facts["fingerprint"]
            if lost is None:
                one.come()
            else:
                one.lose(lost)
            self._start(one.watch())
        self._start(self._tick())

    async def close(self) -> None:
        """Give up what is not judged."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        error = GuerdonError("reward servers", "were closed while they judged", "await what you submit first")
        for submission in [*self.submissions, *(posted for posted, _ in self.posted)]:
            submission.fail(error)
        await self.client.close()

    def post(self, submission: Submission, pieces: Sequence[Piece]) -> bool:
        """From any thread: whether `collect` is to be called, because these are the first. To wake a loop is dear."""
        with self.lock:
            self.posted.append((submission, pieces))
            return len(self.posted) == 1

    def collect(self) -> None:
        """See to it that what is posted is sent when it had time to find company."""
        asyncio.get_running_loop().call_later(GATHERING_SECONDS, self._gather)

    def _gather(self) -> None:
        with self.lock:
            posted, self.posted = self.posted, []
        batch = Batch()
        for submission, pieces in posted:
            self.submissions.add(submission)
            submission.future.add_done_callback(partial(_forget, self.submissions, submission))
            for piece in pieces:
                if not batch.fits(piece, self.most):
                    self.waiting.append(batch)
                    batch = Batch()
                batch.add(piece)
        if batch.pieces:
            self.waiting.append(batch)
        self.pump()

    def pump(self) -> None:
        """Send what waits, as far as there are servers with room."""
        while self.waiting and (endpoint := self._best(self.waiting[0].count)):
            batch = self.waiting.popleft()
            endpoint.in_flight += batch.count
            self._start(self._send(endpoint, batch))

    def _best(self, count: int) -> Endpoint | None:
        now = time.monotonic()
        there = [one for one in self.endpoints if one.alive and one.rests_until <= now]
        with_room = [one for one in there if not one.in_flight or one.in_flight + count <= one.size]
        return min(with_room, key=lambda one: one.in_flight / one.size, default=None)

    async def _send(self, endpoint: Endpoint, batch: Batch) -> None:
        try:
            batch.settle(await endpoint.score(batch.body()))
        except Full as full:
            endpoint.rests_until = time.monotonic() + full.seconds
            asyncio.get_running_loop().call_later(full.seconds, self.pump)
            self.waiting.appendleft(batch)
        except (Lost, Unusable) as why:
            endpoint.lose(why)
            batch.losses += 1
            if batch.losses < MOST_LOSSES:
                self.waiting.appendleft(batch)
            else:
                self._give_up(batch, f"lost {MOST_LOSSES} times on the way to a reward server: {why}")
        except Refused as refused:
            if len(batch.pieces) == 1:
                batch.fail(refused.error)
            else:  # only one of them may be to blame
                self.waiting.extendleft(_alone(piece) for piece in batch.pieces)
        except Exception as error:
            batch.fail(error)
        finally:
            endpoint.in_flight -= batch.count
        self.pump()

    async def _tick(self) -> None:
        """For ever: when no server has been there for too long, nobody waits for one."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            if any(one.alive for one in self.endpoints):
                self.alone_since = None
                continue
            self.alone_since = self.alone_since or now
            too_long = now - self.alone_since >= self.patience
            unusable = [one.why.error for one in self.endpoints if isinstance(one.why, Unusable)]
            if too_long or len(unusable) == len(self.endpoints):
                why = "; ".join(f"{one.url} {one.why}" for one in self.endpoints)
                batches, self.waiting = self.waiting, deque()
                for batch in batches:
                    if unusable:
                        batch.fail(unusable[0])
                    else:
                        self._give_up(batch, f"no reward server has been there for {self.patience:g} s: {why}")

    def _give_up(self, batch: Batch, reason: str) -> None:
        score = Score(None, reason, Outcome.UNAVAILABLE)
        total = Total(None, Outcome.UNAVAILABLE, reason, {name: TermScore(score) for name in self.names})
        batch.give([total] * batch.count)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def _alone(piece: Piece) -> Batch:
    batch = Batch()
    batch.add(piece)
    return batch


def _forget(submissions: set[Submission], done: Submission, _: object) -> None:
    submissions.discard(done)
