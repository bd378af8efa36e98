"""From what verl hands to a reward function to rollouts, and from totals to what verl takes."""

import logging
import os
from collections.abc import Mapping
from typing import Any

from guerdon import OptionError, Rollout, Total
from guerdon.columns import rollout_of
from guerdon.jsonvalues import plain
from guerdon.resident import resident
from guerdon_verl.settings import WHERE, Settings

_log = logging.getLogger("guerdon_verl")


class Judge:
    """The rewards of a run file, open in this process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.mixture = resident(settings.run_file, settings.overrides, settings.stage, settings.workers)
        self.unscored = 0
        if self.mixture.needs_groups:
            raise OptionError(
                f"{settings.run_file}: rewards",
                "one compares the completions of a prompt, and verl hands them to reward functions one by one",
                "leave it out",
            )
        self.routed = [term.name for term in self.mixture.terms if term.domains is not None]

    def rollout(
        self, data_source: Any, solution_str: str, ground_truth: Any, extra_info: Mapping[str, Any] | None
    ) -> Rollout:
        """One completion as verl hands it over. Raises DataError, and OptionError where rewards need a domain."""
        row = {
            "data_source": plain(data_source),
            "reward_model": {"ground_truth": plain(ground_truth)},
            "extra_info": plain(extra_info or {}),
            "prompt": "",
            "completion": solution_str,
            "prefill": self.settings.prefill,
        }
        rollout, _ = rollout_of(row, f"a completion of '{data_source}'", self.settings.mapping)
        if self.routed and rollout.task.domain is None and "domain" not in dict(self.settings.columns):
            raise OptionError(
                f"{self.settings.run_file}: rewards.{self.routed[0]}.domains",
                "verl does not tell reward functions a row's `ability`, and there is no domain in its extra_info",
                f"say where it is: `+reward.{WHERE}.columns.domain=data_source`, or what holds it in extra_info",
            )
        return rollout

    def told(self, total: Total) -> dict[str, float | str]:
        """What verl takes: `score`, and what it shows and dumps beside it. Always the same keys, and finite numbers."""
        if total.value is None:
            self.unscored += 1
            if self.unscored & (self.unscored - 1) == 0:  # 1, 2, 4, 8, …
                paid = f"paid {self.settings.substitute:g}"
                _log.warning("%d completions so far have no score, and are %s: %s", self.unscored, paid, total.reason)
        told: dict[str, float | str] = {
            "score": self._number(total.value),
            "unscored": float(total.value is None),
            "outcome": str(total.outcome),
            "reason": total.reason,
        }
        for name, term in total.terms.items():
            told[f"rewards/{name}"] = self._number(term.score.value)
            told[f"outcomes/{name}"] = str(term.score.outcome)
            told[f"reasons/{name}"] = term.score.reason
        return told

    def _number(self, value: float | None) -> float:
        return self.settings.substitute if value is None else float(value)


_judges: dict[tuple[int, Settings], Judge] = {}


def judge_of(reward_kwargs: Mapping[str, Any]) -> Judge:
    """The judge of this process; the first to ask opens its mixture. Raises GuerdonError."""
    key = (os.getpid(), Settings.of(reward_kwargs))
    return _judges.get(key) or _judges.setdefault(key, Judge(key[1]))
