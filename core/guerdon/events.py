"""What happened, told to every plugin that listens. None of them can stop a run."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from guerdon.errors import GuerdonError

if TYPE_CHECKING:
    from guerdon.plugs import Run
    from guerdon.totals import Total
    from guerdon.types import Rollout

log = logging.getLogger("guerdon")


class Listeners:
    """The plugins' past-tense hooks, to be called in the launching process only.

    A plugin whose hook raises is logged once, with its traceback, and hears nothing more.
    """

    def __init__(self, manager: pluggy.PluginManager) -> None:
        self.manager = manager
        self.silenced: set[str] = set()

    def rollouts_scored(self, step: int, rollouts: Sequence["Rollout"], totals: Sequence["Total"]) -> None:
        """Rollouts have their totals. See `guerdon.hookspecs.rollouts_scored`."""
        self._tell("rollouts_scored", {"step": step, "rollouts": rollouts, "totals": totals})

    def run_started(self, run: "Run") -> None:
        """A stage begins. Raises what is the user's to mend, such as a library that a listener lacks."""
        self._tell("run_started", {"run": run}, GuerdonError)

    def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
        """A step is done. See `guerdon.hookspecs.step_finished`."""
        self._tell("step_finished", {"step": step, "metrics": metrics})

    def run_finished(self, run: "Run", error: BaseException | None) -> None:
        """A stage has ended. See `guerdon.hookspecs.run_finished`."""
        self._tell("run_finished", {"run": run, "error": error})

    def _tell(
        self, hook: str, facts: Mapping[str, Any], raised: type[Exception] | tuple[type[Exception], ...] = ()
    ) -> None:
        for listener in getattr(self.manager.hook, hook).get_hookimpls():
            if listener.plugin_name in self.silenced:
                continue
            try:
                listener.function(**{name: facts[name] for name in listener.argnames})
            except raised:
                raise
            except (Exception, SystemExit):
                self.silenced.add(listener.plugin_name)
                log.exception("plugin '%s': its %s raised, and it hears nothing more", listener.plugin_name, hook)
