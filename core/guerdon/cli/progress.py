"""How far a command has come, on standard error: a bar in a terminal, now and then a line elsewhere."""

import sys
import threading
import time
from types import TracebackType
from typing import Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

QUIET_SECONDS = 2.0
"""What is over sooner needs no progress."""
LINE_SECONDS = 10.0
"""Between a line and the next."""


class Progress:
    """Counts what is done. `total` is None where nobody knows yet."""

    def __init__(self, doing: str, total: int | None, done: int = 0) -> None:
        self.doing, self.total, self.done = doing, total, done
        self.begun = time.monotonic()
        self.next_line = self.begun + QUIET_SECONDS
        self.at_begin = done
        self.bar: Bar | None = None
        if sys.stderr.isatty():
            self.bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self.bar.add_task(doing, total=total, completed=done)
            self.timer = threading.Timer(QUIET_SECONDS, self.bar.start)
            self.timer.daemon = True

    def __enter__(self) -> Self:
        if self.bar is not None:
            self.timer.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self.bar is not None:
            self.timer.cancel()
            self.timer.join()
            self.bar.stop()

    def advance(self, count: int) -> None:
        """So many more are done."""
        self.done += count
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], completed=self.done)
            return
        now = time.monotonic()
        if now >= self.next_line and self.done != self.total:
            self.next_line = now + LINE_SECONDS
            typer.echo(f"{self.doing}: {self.done:,}{self._outlook(now)}", err=True)

    def _outlook(self, now: float) -> str:
        if not self.total:
            return ""
        left = (now - self.begun) / max(1, self.done - self.at_begin) * (self.total - self.done)
        return f" of {self.total:,} ({self.done / self.total:.0%}), about {left:.0f} s left"
