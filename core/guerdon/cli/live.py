"""How a training goes, while it goes: a display in a terminal, now and then a line elsewhere. On standard error."""

import math
import sys
import time
from collections import deque
from collections.abc import Mapping
from statistics import median
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live as Display
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from guerdon.cli.terminal import printable

if TYPE_CHECKING:
    from guerdon.runfile import RunFile

LINE_SECONDS = 10.0
"""Between a line and the next where there is no terminal."""
WIDTH = 100
"""Columns of a line where there is no terminal."""
REMEMBERED, ENOUGH = 20, 3
"""Steps whose pace the time that is left is reckoned from, at most and at least: the first ones are slower."""
SHOWN = ("unscored", "reward", "terms", "completions", "policy")
"""What a line says, as far as it has room."""
TERM, MEAN, EVALUATED = "rewards/", "/mean", "eval/"


class Live:
    """Shows a run step by step. Use it in a `with`; what is printed meanwhile goes through `say`."""

    def __init__(self, described: "RunFile") -> None:
        self.console = Console(stderr=True, highlight=False, emoji=False)
        self.stages = [stage.name for stage in described.stages]
        self.name, self.number, self.total = "", 0, 0
        self.metrics: dict[str, float] = {}
        self.evaluated: dict[str, float] = {}
        self.evaluated_at = 0
        self.begun = time.monotonic()
        self.paces: deque[float] = deque(maxlen=REMEMBERED)
        self.last_end = self.begun
        self.next_line = 0.0
        self.display: Display | None = None

    def __enter__(self) -> Self:
        if self.console.is_terminal and not self.console.is_dumb_terminal:
            self.display = Display(get_renderable=self.panel, console=self.console, refresh_per_second=4)
            self.display.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Leave what is shown as it is."""
        if self.display is not None:
            self.display.stop()
            self.display = None

    def say(self, text: str) -> None:
        """A line above the display."""
        self.console.print(Text(printable(text)), soft_wrap=True)

    def stage(self, name: str) -> None:
        """A stage begins."""
        self.name, self.number, self.total = name, 0, 0
        self.metrics = {}
        self.paces.clear()
        self.last_end = time.monotonic()
        self.next_line = 0.0
        if self.display is None:
            self.say(f"stage {self._of_stages()}")

    def step(self, stage: str, number: int, total: int, metrics: Mapping[str, float]) -> None:
        """A step of a stage is done, of which there are `total`; or, with `eval/…` metrics, an evaluation after it."""
        if stage != self.name:
            self.stage(stage)
        evaluated = {name.removeprefix(EVALUATED): one for name, one in metrics.items() if name.startswith(EVALUATED)}
        others = {name: one for name, one in metrics.items() if not name.startswith(EVALUATED)}
        if evaluated:
            self.evaluated, self.evaluated_at = evaluated, number
        if others:
            self.metrics = others
            now = time.monotonic()
            # What a step took by itself; between two there may be an evaluation.
            self.paces.append(others.get("time/step", now - self.last_end))
            self.last_end = now
        self.number, self.total = number, total
        if self.display is None:
            self._lines(others, evaluated)

    def panel(self) -> Group:
        """What a terminal shows."""
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for name, text in self._facts():
            table.add_row(name, Text(text))
        return Group(self._head(), table)

    def _head(self) -> Table:
        head = Table.grid(padding=(0, 1, 0, 0))
        for _ in range(4):
            head.add_column(no_wrap=True)
        bar = ProgressBar(total=self.total or None, completed=self.number, width=24, pulse=not self.total)
        steps = f"step {self.number:,} of {self.total:,}" if self.total else "getting ready"
        head.add_row(Text(self._of_stages(), style="bold"), bar, Text(steps), Text(self._times(), style="dim"))
        return head

    def _of_stages(self) -> str:
        if len(self.stages) < 2 or self.name not in self.stages:
            return printable(self.name)
        return printable(f"{self.name} ({self.stages.index(self.name) + 1} of {len(self.stages)})")

    def _times(self) -> str:
        elapsed = _duration(time.monotonic() - self.begun)
        left = self._left()
        return elapsed if left is None else f"{elapsed}, about {_duration(left)} left"

    def _left(self) -> float | None:
        if len(self.paces) < ENOUGH or not self.total:
            return None
        return median(self.paces) * (self.total - self.number)

    def _facts(self) -> list[tuple[str, str]]:
        shown = [
            ("reward", self._joined(("", "reward", ".3f"), ("±", "reward_std", ".3f"), ("loss", "loss", ".4f"))),
            ("terms", "   ".join(self._terms())),
            ("unscored", self._unscored()),
            (
                "completions",
                self._joined(
                    ("", "completions/mean_length", ".1f", " tokens"),
                    ("cut off", "completions/clipped_ratio", ".0%"),
                    ("reflection words", "completions/reflection_words", ".2f"),
                ),
            ),
            (
                "policy",
                self._joined(
                    ("entropy", "entropy", ".3f"),
                    ("KL", "kl", ".2g"),
                    ("experts", "experts/load", ".2f", " max/mean"),
                    ("lr", "learning_rate", ".2g"),
                ),
            ),
            (
                "time",
                self._joined(
                    ("", "time/step", ".2f", " s a step"),
                    ("", "time/tokens_per_second", ",.0f", " tokens/s"),
                    ("waited for rewards", "time/rewards_wait", ".2f", " s"),
                ),
            ),
            ("held out", self._evaluation()),
        ]
        return [(name, text) for name, text in shown if text]

    def _joined(self, *parts: tuple[str, ...]) -> str:
        """The metrics that are there, each with its name and unit."""
        said = []
        for label, name, form, *unit in parts:
            value = self.metrics.get(name)
            if value is not None:
                said.append(f"{label} {_number(value, form)}{''.join(unit)}".strip())
        return "   ".join(said).replace("   ±", " ±")

    def _terms(self) -> list[str]:
        return [
            f"{printable(name.removeprefix(TERM).removesuffix(MEAN))} {_number(value, '.3f')}"
            for name, value in self.metrics.items()
            if name.startswith(TERM) and name.endswith(MEAN)
        ]

    def _unscored(self) -> str:
        """What the reader would not see in the mean of the others."""
        if not self.metrics.get("rollouts/unscored"):
            return ""
        said = f"{self.metrics['rollouts/unscored']:,.0f} rollouts without a score"
        dropped = self.metrics.get("groups/dropped")
        return f"{said}   {dropped:,.0f} groups dropped" if dropped else said

    def _evaluation(self) -> str:
        said = []
        for name in ("pass@1", "accuracy", *(name for name in self.evaluated if name.startswith("cons@"))):
            if name in self.evaluated:
                said.append(f"{name} {self.evaluated[name]:.3f}")
                if f"{name}/low" in self.evaluated:
                    said[-1] += f" ({self.evaluated[f'{name}/low']:.3f} to {self.evaluated[f'{name}/high']:.3f})"
        return f"{'   '.join(said)}   after step {self.evaluated_at:,}" if said else ""

    def _lines(self, others: Mapping[str, float], evaluated: Mapping[str, float]) -> None:
        now = time.monotonic()
        if evaluated:
            self._line("held out", self._evaluation())
        if others and (now >= self.next_line or self.number == self.total):
            self.next_line = now + LINE_SECONDS
            facts = dict(self._facts())
            left = self._left()
            outlook = f", {_duration(left)} left" if left else ""
            if "reward" in self.metrics:
                facts["reward"] = f"reward {facts['reward']}"
            shown = [facts[name] for name in SHOWN if name in facts]
            self._line(f"step {self.number:,}/{self.total:,}{outlook}", "   ".join(shown))

    def _line(self, head: str, text: str) -> None:
        line = f"{self.name} {head}: {text}"
        while len(line) > WIDTH and "   " in line:
            line = line.rpartition("   ")[0]
        sys.stderr.write(printable(line)[:WIDTH] + "\n")
        sys.stderr.flush()


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else "–"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"
