"""A guerdon plugin that listens: it tells trackio of a run, on this machine or in a Space.

`trackio show` shows what is on this machine (https://github.com/gradio-app/trackio). With TRACKIO_SPACE_ID in the
environment it goes to a Space instead.
"""

import os
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from typing import Any

from guerdon import PluginError, Run, hookimpl
from guerdon_trackers.runs import identity, numbers, options


class Trackio:
    """Listens to the runs that name `trackio` under `trackers`."""

    def __init__(self) -> None:
        self.package: Any = None

    @hookimpl
    def run_started(self, run: Run) -> None:
        """Begin a run there, or go on with the one that this run began."""
        if "trackio" not in run.trackers:
            return
        try:
            import trackio
        except ImportError:
            what = "needs trackio, which is not installed"
            raise PluginError("trackers: trackio", what, "pip install 'guerdon[trackers]'") from None
        name, known = identity(run, "trackio")
        try:
            with redirect_stdout(sys.stderr):
                trackio.init(
                    project=os.environ.get("TRACKIO_PROJECT", "guerdon"),
                    name=name,
                    config=options(run),
                    resume="allow" if known else "never",
                    embed=False,
                    auto_log_cpu=False,
                )
        except Exception as error:  # no account for a Space, no network, a full disk
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            way_out = "without TRACKIO_SPACE_ID and TRACKIO_SERVER_URL it is kept here"
            raise PluginError("trackers: trackio", f"cannot begin a run: {said}", way_out) from error
        self.package = trackio

    @hookimpl
    def step_finished(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of a step."""
        if self.package is not None:
            self.package.log(numbers(metrics), step=step)

    @hookimpl
    def run_finished(self, error: BaseException | None) -> None:
        """End the run there, with an alert if something stopped it."""
        if self.package is None:
            return
        library, self.package = self.package, None
        with redirect_stdout(sys.stderr):
            if error is not None:
                library.alert("the run stopped", f"{type(error).__name__}: {error}", library.AlertLevel.ERROR)
            library.finish()


_listening = Trackio()
run_started = _listening.run_started
step_finished = _listening.step_finished
run_finished = _listening.run_finished
