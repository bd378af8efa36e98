"""Listens: keeps the best completion of each step, where a run file asks for it with `trackers = ["best_of"]`."""

from guerdon import hookimpl


class Diary:
    """A file of each step, so that a step that is done again after a crash is not told twice."""

    def __init__(self):
        self.directory, self.best = None, ""

    @hookimpl
    def run_started(self, run):
        if "best_of" in run.trackers:
            self.directory = run.directory / "best"
            self.directory.mkdir(exist_ok=True)

    @hookimpl
    def rollouts_scored(self, rollouts, totals):
        scored = [number for number, total in enumerate(totals) if total.value is not None]
        self.best = rollouts[max(scored, key=lambda number: totals[number].value)].completion if scored else ""

    @hookimpl
    def step_finished(self, step, metrics):
        if self.directory is not None and "reward" in metrics:
            said = f"{self.best}\n\nthe mean reward was {metrics['reward']:.3f}\n"
            (self.directory / f"step-{step:05d}.txt").write_text(said)

    @hookimpl
    def run_finished(self):
        self.directory = None
