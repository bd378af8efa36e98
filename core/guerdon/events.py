"""What happened, told to every plugin that listens. None of them can stop a run."""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
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

    def _tell(self, hook: str, facts: Mapping[str, Any]) -> None:
        for listener in getattr(self.manager.hook, hook).get_hookimpls():
            if listener.plugin_name in self.silenced:
                continue
            try:
                listener.function(**{name: facts[name] for name in listener.argnames})
            except (Exception, SystemExit):
                self.silenced.add(listener.plugin_name)
                log.exception("plugin '%s': its %s raised, and it hears nothing more", listener.plugin_name, hook)
