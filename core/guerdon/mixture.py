"""The rewards of a run: opened together, asked together, and each told apart from the others."""

import asyncio
import concurrent.futures
import os
import sys
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Coroutine, Iterable, Sequence, Set
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from guerdon.blame import Place, settle
from guerdon.errors import GuerdonError, RewardBroken
from guerdon.inprocess import InProcess
from guerdon.launcher import ForkServer
from guerdon.plugs import GroupReward, Reward, Verifier, opened
from guerdon.totals import NOT_APPLICABLE, Term, TermScore, Total, total
from guerdon.types import Outcome, Rollout, Score
from guerdon.wire import Failure, Unit, Verdict
from guerdon.workers import Pool

BATCH = 64
"""Rollouts that a reward which is neither a Verifier nor a GroupReward is handed at once."""
FAREWELL_SECONDS = 1.0
WINDOW = 20
"""Tasks that a reward is remembered by, when it is asked whether it is broken."""

_Result = TypeVar("_Result")


class Mixture:
    """The rewards of a run, opened together and asked together.

    Use it as a context manager, `with` or `async with`. It lives on a loop in a thread of its own, so it may be used
    from any thread and any loop, but only in the process that opened it.
    """

    def __init__(self, terms: Sequence[Term], workers: int | None = None) -> None:
        """`workers`: how many judgings may run in worker processes at the same time; None for one a core."""
        self.terms = tuple(terms)
        names = [term.name for term in terms]
        if len(set(names)) < len(names):
            raise GuerdonError("rewards", f"two terms have one name: {', '.join(names)}", "rename one")
        self.workers = workers or len(os.sched_getaffinity(0))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._places: dict[str, Place] = {}
        self._health = {term.name: Health(term.name) for term in terms}
        self._closing = AsyncExitStack()
        self._judging: set[asyncio.Task[Any]] = set()
        self._pid = 0
        self._lock = threading.Lock()
        """Between looking whether it is open and handing it work, nobody may close it."""

    def covers(self, domain: str | None) -> bool:
        """Whether a task of this domain can get a total at all."""
        return any(term.applies(domain) and term.weight != 0 for term in self.terms)

    @property
    def model_based(self) -> frozenset[str]:
        """The terms whose scores are models' opinions."""
        return frozenset(term.name for term in self.terms if term.reward.model_based)

    @property
    def needs_groups(self) -> bool:
        """Whether a reward compares the rollouts of a task with each other."""
        return any(isinstance(term.reward, GroupReward) for term in self.terms)

    def submit(
        self, rollouts: Sequence[Rollout], groups: Sequence[str] | None = None
    ) -> "concurrent.futures.Future[list[Total]]":
        """Start scoring, and return at once. The result is a total for each rollout, in order.

        `groups[i]` says which group `rollouts[i]` belongs to; only a group reward needs it. The future raises
        RewardBroken if a reward fails on most tasks, and GuerdonError if one cannot be opened.
        """
        if groups is None and self.needs_groups:
            names = ", ".join(term.name for term in self.terms if isinstance(term.reward, GroupReward))
            raise GuerdonError(
                f"rewards: {names}", "compares the rollouts of a group", "say which rollouts belong together"
            )
        if groups is not None and len(groups) != len(rollouts):
            raise GuerdonError(
                "groups", f"{len(groups)} for {len(rollouts)} rollouts", "name the group of each rollout"
            )
        for i, rollout in enumerate(rollouts):
            if not isinstance(rollout, Rollout) or not isinstance(rollout.completion, str):
                raise GuerdonError("rollouts", f"number {i} is no Rollout with a text as its completion", "make it one")
        return self._run(self._score(rollouts, groups))

    async def score(self, rollouts: Sequence[Rollout], groups: Sequence[str] | None = None) -> list[Total]:
        """`submit`, awaited. From any loop."""
        return await asyncio.wrap_future(self.submit(rollouts, groups))

    def prove(self, term: Term, rollouts: Sequence[Rollout]) -> "concurrent.futures.Future[list[Verdict]]":
        """Judge a control for each task: its own truth must earn full marks, or an empty completion any score."""
        return self._run(self._ask(term, [Unit([rollout], control=True) for rollout in rollouts]))

    def ask(self, term: Term, rollouts: Sequence[Rollout]) -> "concurrent.futures.Future[list[Verdict]]":
        """One term's verdict of each rollout by itself. A failure stands as it is, and says nothing of the reward."""
        return self._run(self._ask(term, [Unit([rollout]) for rollout in rollouts]))

    def open(self) -> Self:
        """Start the loop, and open what lives in this process. Workers start when they are first needed."""
        if self._loop is not None:
            raise GuerdonError(
                "mixture", "is open already", "open it once, and use it from as many threads as you like"
            )
        self._loop = asyncio.new_event_loop()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._loop.run_forever, name="guerdon-mixture", daemon=True)
        self._thread.start()
        try:
            self._run(self._open()).result()
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Close every reward and end every worker."""
        if os.getpid() != self._pid:
            return  # a forked copy of the process that opened it has nothing to close
        if sys.is_finalizing():
            return  # the loop's thread never runs again, and workers end with this process
        with self._lock:
            loop, thread = self._loop, self._thread
            if loop is None or thread is None:
                return
            self._loop = None
            closing = asyncio.run_coroutine_threadsafe(self._close(), loop)
        try:
            closing.result()
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

    def _run(self, work: Coroutine[Any, Any, _Result]) -> "concurrent.futures.Future[_Result]":
        # A forked copy of the lock may be held by a thread that was not forked with it.
        if os.getpid() == self._pid or self._loop is None:
            with self._lock:
                if self._loop is not None:
                    return asyncio.run_coroutine_threadsafe(self._until_closed(work), self._loop)
        work.close()
        state = "is not open" if self._loop is None else "was opened by another process"
        raise GuerdonError("mixture", state, "use it inside `with mixture:`, in the process that opened it")

    async def _until_closed(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        task = asyncio.current_task()
        assert task is not None
        self._judging.add(task)
        try:
            return await work
        except asyncio.CancelledError:
            if self._loop is None:
                raise GuerdonError("mixture", "was closed while it judged", "await what you submit first") from None
            raise
        finally:
            self._judging.discard(task)

    async def _close(self) -> None:
        await _ended(self._judging)
        try:
            await self._closing.aclose()
        finally:
            await _ended(asyncio.all_tasks() - {asyncio.current_task()})

    async def _open(self) -> None:
        isolated = [term for term in self.terms if not _lives_here(term.reward)]
        modules = [type(term.reward).__module__ for term in isolated]
        modules += [module for term in isolated for module in term.reward.preload]
        server = ForkServer(["guerdon.worker", *modules], self.workers)
        self._closing.push_async_callback(server.close)
        for term in self.terms:
            term.reward.check_needs(f"reward '{term.name}'")
            if _lives_here(term.reward):
                try:
                    await self._closing.enter_async_context(opened(term.reward))
                except Exception as error:
                    what = f"cannot be opened: {type(error).__name__}: {error}"
                    raise GuerdonError(f"reward '{term.name}'", what) from error
                self._places[term.name] = InProcess(term.reward)
            else:
                _check_importable(term)
                pool = Pool(term.reward, server, self.workers)
                self._closing.push_async_callback(pool.close)
                self._places[term.name] = pool

    async def _ask(self, term: Term, units: Sequence[Unit]) -> list[Verdict]:
        return await self._places[term.name].judge(units)

    async def _score(self, rollouts: Sequence[Rollout], groups: Sequence[str] | None) -> list[Total]:
        judged = await _together(self._judge(term, rollouts, groups) for term in self.terms)
        names = [term.name for term in self.terms]
        return [
            total(self.terms, dict(zip(names, [scores[i] for scores in judged], strict=True)))
            for i in range(len(rollouts))
        ]

    async def _judge(self, term: Term, rollouts: Sequence[Rollout], groups: Sequence[str] | None) -> list[TermScore]:
        scores = [NOT_APPLICABLE] * len(rollouts)
        applicable = [i for i, rollout in enumerate(rollouts) if term.applies(rollout.task.domain)]
        equal = _equal(rollouts, applicable) if isinstance(term.reward, Verifier) else {i: [i] for i in applicable}
        members = _units(term.reward, list(equal), groups)
        place = self._places[term.name]
        units = [Unit([rollouts[i] for i in unit]) for unit in members]
        verdicts = await place.judge(units)

        async def settled(number: int) -> None:
            verdicts[number] = await settle(term.reward, units[number], verdicts[number], place)

        await _together(settled(i) for i, verdict in enumerate(verdicts) if verdict.failure is not None)
        for unit, verdict in zip(members, verdicts, strict=True):
            assert verdict.scores is not None
            for i, score in zip(unit, verdict.scores, strict=True):
                for twin in equal[i]:
                    scores[twin] = TermScore(score, verdict.seconds, verdict.queued_seconds)
                self._health[term.name].note(rollouts[i].task.id, score, verdict.failure)
        return scores


@dataclass
class Health:
    """Whether a reward still works: it is broken when it failed, control and all, on most of the last tasks."""

    name: str
    failed: OrderedDict[str, bool] = field(default_factory=OrderedDict)
    """By task, so that one broken task with many rollouts does not stop a run."""

    def note(self, task: str, score: Score, failure: Failure | None) -> None:
        """Take note of one judging. Raises RewardBroken, with the verifier's traceback."""
        self.failed[task] = score.outcome is Outcome.VERIFIER_ERROR
        self.failed.move_to_end(task)
        if len(self.failed) > WINDOW:
            self.failed.popitem(last=False)
        if failure is not None and sum(self.failed.values()) > WINDOW / 2:
            raise RewardBroken(
                f"reward '{self.name}'",
                f"failed on {sum(self.failed.values())} of the last {len(self.failed)} tasks, and on their controls: "
                f"{failure.what}",
                f"mend it and resume\n{failure.traceback}".rstrip(),
            )


async def _together(coroutines: Iterable[Coroutine[Any, Any, _Result]]) -> list[_Result]:
    """`gather`, but when one fails the others do not go on."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


async def _ended(tasks: Set["asyncio.Task[Any] | None"]) -> None:
    """Cancel tasks and wait for their end; not for ever, because one may swallow its cancellation."""
    cancelled = [task for task in tasks if task is not None and task.cancel()]
    if cancelled:
        await asyncio.wait(cancelled, timeout=FAREWELL_SECONDS)


def _lives_here(reward: Reward) -> bool:
    return reward.is_async() or reward.isolation == "inline"


def _equal(rollouts: Sequence[Rollout], numbers: Sequence[int]) -> dict[int, list[int]]:
    """The first of each set of equal rollouts, with all of the set. A policy that is sure of itself repeats itself."""
    firsts: dict[tuple[int, str, str, bool], list[int]] = {}
    equal: dict[int, list[int]] = {}
    for i in numbers:
        one = rollouts[i]
        known = firsts.setdefault((id(one.task), one.completion, one.prefill, one.truncated), [])
        # The same text can be other tokens.
        first = next((j for j in known if rollouts[j].completion_ids == one.completion_ids), i)
        if first == i:
            known.append(i)
        equal.setdefault(first, []).append(i)
    return equal


def _units(reward: Reward, applicable: Sequence[int], groups: Sequence[str] | None) -> list[list[int]]:
    if isinstance(reward, Verifier):
        return [[i] for i in applicable]
    if isinstance(reward, GroupReward):
        assert groups is not None
        members: dict[str, list[int]] = defaultdict(list)
        for i in applicable:
            members[groups[i]].append(i)
        return list(members.values())
    return [list(applicable[start : start + BATCH]) for start in range(0, len(applicable), BATCH)]


def _check_importable(term: Term) -> None:
    cls = type(term.reward)
    if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        raise GuerdonError(
            f"reward '{term.name}'",
            f"{cls.__qualname__} of {cls.__module__} cannot be imported by a worker",
            'put it into a module, or set `isolation = "inline"` if its code is cheap and your own',
        )
