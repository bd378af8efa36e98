"""A trainer whose whole model is a sum: what it learns is known, and a kill can be timed."""

import json
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from guerdon import GuerdonError, Policy, Rollout, Run, Task, Tasks, Trainer, Verifier, registry


class Counting(Trainer):
    """Adds its step's number to a sum. DIES names the stage, the step and the moment in it when it is killed."""

    name: ClassVar[str] = "counting"
    steps: int = 6
    save_steps: int = 2
    paid: bool = False

    def fit(self, run: Run) -> None:
        journal = run.journal
        begin = journal.restored or run.checkpoint()
        total = json.loads((begin / "config.json").read_text())["sum"]
        for step in journal.steps(self.steps):
            self._die(run.stage, step, "step")
            total += step * (1 + run.seed)
            if self.paid:
                tasks = list(run.tasks or ())
                rollouts = [Rollout(task, "yes") for task in tasks]
                journal.scored(step, rollouts, run.mixture.submit(rollouts).result())
            journal.log(step, {"sum": float(total)})
            self._die(run.stage, step, "logged")
            if journal.due(step, self.save_steps, self.steps):
                with journal.saving(step, last=step == self.steps) as path:
                    (path / "config.json").write_text(json.dumps({"sum": total}))
                    self._die(run.stage, step, "saving")
                    (path / "trainer").mkdir()
                    (path / "trainer" / "state").write_bytes(bytes(1000))
                self._die(run.stage, step, "saved")

    def _die(self, *moment: object) -> None:
        if os.environ.get("DIES") == " ".join(map(str, moment)):
            os.kill(os.getpid(), signal.SIGKILL)


class Paid(Counting):
    """One that cannot do without rewards."""

    name: ClassVar[str] = "paid"
    requires: ClassVar[tuple[str, ...]] = ("policy", "tasks", "rewards")
    paid: bool = True


class Pleasing(Counting):
    """Pleases its judge more and more, and is right less and less."""

    name: ClassVar[str] = "pleasing"
    requires: ClassVar[tuple[str, ...]] = ("policy", "rewards")
    steps: int = 120
    save_steps: int = 30

    def fit(self, run: Run) -> None:
        journal = run.journal
        for step in journal.steps(self.steps):
            journal.log(step, {"sum": 0.0, "rewards/opinion/mean": step / 200, "rewards/yes/mean": 1 - step / 200})
            self._die(run.stage, step, "logged")
            if journal.due(step, self.save_steps, self.steps):
                with journal.saving(step, last=step == self.steps) as path:
                    (path / "config.json").write_text("{}")


class Careless(Trainer):
    """Ends without a checkpoint."""

    name: ClassVar[str] = "careless"

    def fit(self, run: Run) -> None:
        for step in run.journal.steps(1):
            run.journal.log(step, {})


class Failing(Trainer):
    """Cannot."""

    name: ClassVar[str] = "failing"

    def fit(self, run: Run) -> None:
        raise GuerdonError("here", "cannot")


class Sum(Policy):
    """A sum that begins somewhere."""

    name: ClassVar[str] = "sum"
    begin: int = 0

    def checkpoint(self, workdir: Path, start: Path | None = None) -> Path:
        if start is not None:
            return start
        workdir.mkdir(parents=True, exist_ok=True)
        (workdir / "config.json").write_text(json.dumps({"sum": self.begin}))
        return workdir


class Few(Tasks):
    """Three tasks."""

    name: ClassVar[str] = "few"

    def __iter__(self) -> Iterator[Task]:  # type: ignore[override]
        return (Task(f"task {i}", "?") for i in range(3))


class Yes(Verifier):
    """Pays for yes."""

    name: ClassVar[str] = "yes"
    isolation = "inline"

    def verify(self, rollout: Rollout) -> float:
        return float(rollout.completion == "yes")


class Opinion(Yes):
    """What a model might say."""

    name: ClassVar[str] = "opinion"
    model_based: ClassVar[bool] = True


PLUGS: Sequence[type[Trainer | Policy | Tasks | Verifier]] = (
    Counting,
    Paid,
    Pleasing,
    Careless,
    Failing,
    Sum,
    Few,
    Yes,
    Opinion,
)


def registered() -> None:
    """Make them known to run files, in this process."""
    for plug in PLUGS:
        entry = registry.Entry(plug, "of-this-test", "no-distribution")
        registry.load().plugs.setdefault((plug.kind, plug.name), entry)


def main(file: str, *arguments: str) -> None:
    """Train a run file in a process of its own."""
    from guerdon.events import Listeners
    from guerdon.runfile import load
    from guerdon.training import begun, train

    registered()
    overrides = [one for one in arguments if not one.startswith("--")]
    described = load(Path(file), overrides)
    with begun(described, resume="--resume" in arguments, overwrite=False):
        train(described, Listeners(registry.load().manager), print)


if __name__ == "__main__":
    import sys

    main(*sys.argv[1:])
