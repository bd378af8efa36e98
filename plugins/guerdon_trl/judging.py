"""Each of TRL's batches judged once, however many reward functions ask for it."""

import asyncio
import logging
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Any

from guerdon import Rollout, Total
from guerdon.ledger import Ledger
from guerdon.resident import resident
from guerdon_trl.rows import groups_of, rollouts_of
from guerdon_trl.settings import Settings

LATEST = 4
"""Batches that are remembered. TRL asks all functions for one before it goes on; several trainers may be at work."""

_log = logging.getLogger("guerdon_trl")


@dataclass
class Batch:
    """Rollouts that are being judged."""

    completions: Any
    """The list that TRL handed over: the same object for every reward function, and kept, so that no other can be."""
    rollouts: Sequence[Rollout]
    future: "Future[list[Total]]"
    asked: set[str] = field(default_factory=set)
    """The functions that have asked for it."""


class Judge:
    """The rewards of a run file, open in this process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.mixture = resident(settings.run_file, settings.overrides, settings.stage, settings.workers)
        self._batches: deque[Batch] = deque(maxlen=LATEST)
        self._lock = threading.Lock()

    @cached_property
    def ledger(self) -> Ledger | None:
        """Where rollouts are kept, if they are."""
        return Ledger(self.settings.directory) if self.settings.directory else None

    def judge(
        self, function: str, prompts: Sequence[Any], completions: Sequence[Any], more: Mapping[str, Any]
    ) -> list[Total]:
        """The totals of a batch, for the function that TRL asks."""
        batch, first = self._batch(function, prompts, completions, more)
        totals = batch.future.result()
        if first:
            self._tell(batch.rollouts, totals, more)
        return totals

    async def judge_async(
        self, function: str, prompts: Sequence[Any], completions: Sequence[Any], more: Mapping[str, Any]
    ) -> list[Total]:
        """`judge`, awaited."""
        batch, first = await asyncio.to_thread(self._batch, function, prompts, completions, more)
        totals = await asyncio.shield(asyncio.wrap_future(batch.future))
        if first:
            await asyncio.to_thread(self._tell, batch.rollouts, totals, more)
        return totals

    def _batch(
        self, function: str, prompts: Sequence[Any], completions: Sequence[Any], more: Mapping[str, Any]
    ) -> tuple[Batch, bool]:
        """The batch that is asked for, and whether nobody had asked for it before."""
        with self._lock:
            for batch in self._batches:
                # Who asks for the same list twice has changed it.
                if batch.completions is completions and function not in batch.asked:
                    batch.asked.add(function)
                    return batch, False
            rollouts = rollouts_of(self.settings, prompts, completions, more)
            size = self.settings.group_size
            groups = groups_of(rollouts, size) if size and self.mixture.needs_groups else None
            batch = Batch(completions, rollouts, self.mixture.submit(rollouts, groups), {function})
            self._batches.append(batch)
            return batch, True

    def _tell(self, rollouts: Sequence[Rollout], totals: Sequence[Total], more: Mapping[str, Any]) -> None:
        """What TRL shows, and what is kept."""
        unscored = [total for total in totals if total.value is None]
        log_metric: Callable[[str, float], None] | None = more.get("log_metric")
        log_extra: Callable[[str, list[Any]], None] | None = more.get("log_extra")
        if log_metric is not None and totals:
            log_metric("frac_unscored", len(unscored) / len(totals))
            # Of one function a term TRL tells itself.
            for term in () if self.settings.per_term else self.mixture.terms:
                values = [total.terms[term.name].score.value for total in totals]
                if known := [value for value in values if value is not None]:
                    log_metric(f"rewards/{term.name}/mean", fmean(known))
        if log_extra is not None:
            log_extra("reason", [total.reason for total in totals])
        if unscored:
            reason, count = Counter(total.reason for total in unscored).most_common(1)[0]
            _log.warning("%d of %d rollouts have no score; %d: %s", len(unscored), len(totals), count, reason)
        if self.ledger is not None:
            # What is sampled now belongs to the step that is being made.
            step = 1 + getattr(more.get("trainer_state"), "global_step", -1)
            self.ledger.write(step, rollouts, totals)


_judges: dict[tuple[int, Settings], Judge] = {}


def judge_of(settings: Settings) -> Judge:
    """The judge of this process; the first to ask opens its mixture."""
    key = (os.getpid(), settings)
    return _judges.get(key) or _judges.setdefault(key, Judge(settings))
