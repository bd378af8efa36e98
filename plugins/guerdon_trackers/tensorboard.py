"""A guerdon plugin that listens: it writes event files for TensorBoard beside a run."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from guerdon import PluginError, Run, hookimpl
from guerdon_trackers.runs import numbers, options, steps_done

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TensorBoard:
    """Listens to the runs that name `tensorboard` under `trackers`."""

    def __init__(self) -> None:
        self.writer: SummaryWriter | None = None

    @hookimpl
    def run_started(self, run: Run) -> None:
        """Begin an event file. What earlier files say of steps that are done again is not shown."""
        if "tensorboard" not in run.trackers:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            what = "needs torch and tensorboard, which are not installed"
            raise PluginError("trackers: tensorboard", what, "pip install 'guerdon[local,trackers]'") from None
        done = steps_done(run)
        self.writer = SummaryWriter(str(run.directory / "tensorboard"), purge_step=done + 1 if done else 0)
        text = json.dumps(options(run), indent=2, ensure_ascii=False)
        self.writer.add_text("run file", "\n".join(f"    {line}" for line in text.splitlines()), done)

    @hookimpl
    def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
        """Write the metrics of a step."""
        if self.writer is not None:
            for name, value in numbers(metrics).items():
                self.writer.add_scalar(name, value, step)

    @hookimpl
    def run_finished(self, run: Run, error: BaseException | None) -> None:
        """Write what is left, and why the run stopped if it did."""
        if self.writer is not None:
            if error is not None:
                self.writer.add_text("stopped", f"{type(error).__name__}: {error}", steps_done(run))
            self.writer.close()
            self.writer = None


_listening = TensorBoard()
run_started = _listening.run_started
step_finished = _listening.step_finished
run_finished = _listening.run_finished
