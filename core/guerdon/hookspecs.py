"""Every hook that guerdon calls. A plugin implements the ones it likes and ignores the rest.

Two kinds of hook, and no third:

- `register_*` says WHAT EXISTS. Called once, when plugins are loaded. Hand over
  classes; build nothing, import nothing heavy. The run file decides what is used.
- the past-tense hooks say WHAT HAPPENED. Called as the run goes on, on every
  plugin that listens. Look, log, count; what you return is ignored.

No hook decides a score. Scores are decided by the rewards that the run file names.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pluggy

from guerdon.plugs import Policy, Reward, Run, Sampler, Sandbox, Tasks, Trainer
from guerdon.types import Rollout

if TYPE_CHECKING:
    from guerdon.totals import Total

_Function = TypeVar("_Function", bound=Callable[..., object])

hookspec: Callable[[_Function], _Function] = pluggy.HookspecMarker("guerdon")
hookimpl: Callable[[_Function], _Function] = pluggy.HookimplMarker("guerdon")


@hookspec
def register_rewards(register: Callable[[type[Reward]], None]) -> None:
    """Offer rewards: verifiers, judges and preference models.

    @hookimpl
    def register_rewards(register):
        register(BoxedMath)
    """


@hookspec
def register_policies(register: Callable[[type[Policy]], None]) -> None:
    """Offer policies: models to be trained or sampled from."""


@hookspec
def register_samplers(register: Callable[[type[Sampler]], None]) -> None:
    """Offer samplers: ways to complete prompts."""


@hookspec
def register_trainers(register: Callable[[type[Trainer]], None]) -> None:
    """Offer trainers: ways to make a policy better."""


@hookspec
def register_sandboxes(register: Callable[[type[Sandbox]], None]) -> None:
    """Offer sandboxes: places where model-written code may run."""


@hookspec
def register_tasks(register: Callable[[type[Tasks]], None]) -> None:
    """Offer sources of tasks."""


@hookspec
def register_recipes(register: Callable[[Path], None]) -> None:
    """Offer recipes: run files to start from, by path. A recipe's name is its file's stem.

    Its first line is a comment that says what it is for: `guerdon plugins` shows it.
    """


@hookspec
def rollouts_scored(step: int, rollouts: Sequence[Rollout], totals: Sequence["Total"]) -> None:
    """Rollouts have their totals; `totals[i].terms` says what each reward gave `rollouts[i]`, and why."""


@hookspec
def run_started(run: Run) -> None:
    """A stage of a run is about to begin, or goes on. A GuerdonError that is raised here stops it before it does."""


@hookspec
def step_finished(step: int, metrics: Mapping[str, float]) -> None:
    """One step of a run is done; steps are counted over all its stages. A metric that is no number is nan."""


@hookspec
def run_finished(run: Run, error: BaseException | None) -> None:
    """A stage of a run has ended; `error` is what stopped it, if anything did."""
