"""So much a minute, and no more: requests, or tokens."""

import asyncio
import contextlib
import time
from collections.abc import Callable

LATEST = 0.5
"""Seconds that one who waited may have been late, and the next are early for. A loop always wakes a little late, and
without this the rate would be missed by that little each time."""


class Allowance:
    """Hands out units evenly over time, in the order in which they were asked for. Used from one loop."""

    def __init__(self, per_minute: int | None) -> None:
        """`per_minute`: None for any number."""
        self._seconds_each = 60 / per_minute if per_minute else 0.0
        self._most = per_minute
        self._next = 0.0
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()

    async def take(self, units: Callable[[], int]) -> int:
        """Wait until there is room, and take `units`, or all of a minute's if that is less; how many were taken.

        `units` is asked when it is one's turn: by then, more may be known of how many are needed.
        """
        waited = self._turn.locked()
        async with self._turn:
            while (wait := self._next - time.monotonic()) > 0:
                waited = True
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), wait)
            taken = units() if self._most is None else min(units(), self._most)
            earliest = time.monotonic() - (LATEST if waited else 0.0)
            self._next = max(self._next, earliest) + taken * self._seconds_each
            return taken

    def give_back(self, units: int) -> None:
        """So many of what was taken were not used; a negative number: so many more were."""
        self._next -= units * self._seconds_each
        self._changed.set()

    def pause(self, seconds: float) -> None:
        """Hand out nothing before so many seconds have passed."""
        self._next = max(self._next, time.monotonic() + seconds)
