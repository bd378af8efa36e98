"""A guerdon plugin that listens: it tells Weights & Biases of a run.

With WANDB_MODE=offline nothing is sent and no account is needed; `wandb sync` may send it later
(https://docs.wandb.ai).
"""

import os
from collections.abc import Mapping
from typing import Any

from guerdon import PluginError, Run, hookimpl
from guerdon_trackers.runs import identity, numbers, options


class WeightsAndBiases:
    """Listens to the runs that name `wandb` under `trackers`."""

    def __init__(self) -> None:
        self.run: Any = None

    @hookimpl
    def run_started(self, run: Run) -> None:
        """Begin a run there, or go on with the one that this run began. Its files go into `wandb` beside it."""
        if "wandb" not in run.trackers:
            return
        try:
            import wandb
        except ImportError:
            what = "needs wandb, which is not installed"
            raise PluginError("trackers: wandb", what, "pip install 'guerdon[trackers]'") from None
        name, _ = identity(run, "wandb")
        try:
            self.run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "guerdon"),
                id=name,
                name=name,
                dir=str(run.directory),
                config=options(run),
                resume="allow",
                save_code=False,
                # What is printed is a display that moves, and no log.
                settings=wandb.Settings(console="off"),
            )
        except Exception as error:  # no account, no network, a full disk: the library has an error for each
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            way_out = "`wandb login` first, or set WANDB_MODE=offline to send it later"
            raise PluginError("trackers: wandb", f"cannot begin a run: {said}", way_out) from error

    @hookimpl
    def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of a step."""
        if self.run is not None:
            self.run.log(numbers(metrics), step=step)

    @hookimpl
    def run_finished(self, error: BaseException | None) -> None:
        """End the run there: finished, or failed."""
        if self.run is not None:
            self.run.finish(exit_code=0 if error is None else 1)
            self.run = None


_listening = WeightsAndBiases()
run_started = _listening.run_started
step_finished = _listening.step_finished
run_finished = _listening.run_finished
