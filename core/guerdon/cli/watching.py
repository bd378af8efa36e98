"""A listener like any plugin's: it shows a run to whoever started it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from guerdon.hookspecs import hookimpl

if TYPE_CHECKING:
    from guerdon.cli.live import Live
    from guerdon.journal import Journal
    from guerdon.plugs import Run


class Display:
    """Passes on to `live` what the hooks say."""

    def __init__(self, live: "Live") -> None:
        self.live = live
        self.journal: Journal | None = None

    @hookimpl
    def run_started(self, run: "Run") -> None:
        """A stage begins."""
        self.journal = run.journal
        self.live.stage(run.stage)

    @hookimpl
    def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
        """A step is done; the display counts those of its stage."""
        assert self.journal is not None
        self.live.step(self.journal.stage, step - self.journal.before, self.journal.total, metrics)
