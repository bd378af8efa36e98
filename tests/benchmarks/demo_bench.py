"""The recipes, run as a user runs them: how long, how large, and how good the policy is in the end."""

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpu import children
from grpo_jobs import recipe, run_file
from report import Line

from guerdon.journal import read_metrics

SEEDS = (1, 2, 3)
RIGHT = "eval/pass@1"


@dataclass(frozen=True)
class Went:
    """A run: seconds by the clock and of CPU, the most memory of all its processes together, and its metrics."""

    wall: float
    cpu: float
    peak_mb: float
    metrics: list[dict[str, Any]]

    def right(self, stage: str) -> float:
        """The share of held-out problems that are right after a stage."""
        return float([line[RIGHT] for line in self.metrics if line["stage"] == stage and RIGHT in line][-1])

    def last_quarter(self, stage: str, name: str) -> float:
        """The mean of a metric over the last quarter of a stage's steps."""
        values = [line[name] for line in self.metrics if line["stage"] == stage and name in line]
        return statistics.fmean(values[-(len(values) // 4) :])


def demo_lines() -> list[Line]:
    """Accuracies are at temperature 1, on problems that are held out by their hash."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        demo = [_run(_seeded(recipe("cold-start-rl"), seed), directory) for seed in SEEDS]
        unbalanced = _run(_without_balancing(_seeded(recipe("cold-start-rl"), SEEDS[0])), directory)
        zero = [_run(_seeded(recipe("r1-zero"), seed), directory, OMP_NUM_THREADS="1") for seed in SEEDS]
    return [_cost(demo[0]), _demo(demo), _zero(zero), *_balance(demo[0], unbalanced)]


def _cost(demo: Went) -> Line:
    met = demo.wall <= 150 and demo.peak_mb < 2000
    text = f"{demo.wall:.0f} s, {demo.peak_mb:.0f} MB, {demo.cpu:.0f} CPU-s"
    return Line("guerdon train cold-start-rl, wall-clock and peak memory", text, "", "", "≤ 150 s, < 2 GB", met)


def _demo(runs: Sequence[Went]) -> Line:
    before, after = ([run.right(stage) for run in runs] for stage in ("cold-start", "rl"))
    met = statistics.median(after) >= 0.95 and min(after) >= 0.90
    text = f"{_list(before)} → {_list(after)}"
    what = f"cold-start-rl, held-out sums right before and after GRPO, {len(runs)} seeds"
    return Line(what, text, "", "", "median ≥ .95, none < .90", met)


def _zero(runs: Sequence[Went]) -> Line:
    after = [run.right("rl") for run in runs]
    spent = [run.cpu for run in runs]
    text = f"{_list([run.right('base') for run in runs])} → {_list(after)} in {max(spent):.0f} CPU-s"
    met = min(after) >= 0.85 and max(spent) <= 120
    return Line(f"r1-zero, the same, {len(runs)} seeds, one thread", text, "", "", "≥ .85 within 120 CPU-s", met)


def _balance(run: Went, without: Went) -> list[Line]:
    lines = []
    for stage, name in (("base", "loss"), ("rl", RIGHT)):
        load, peer_load = (one.last_quarter(stage, "experts/load") for one in (run, without))
        if name == RIGHT:
            value, peer_value = run.right(stage), without.right(stage)
        else:
            value, peer_value = run.last_quarter(stage, name), without.last_quarter(stage, name)
        lines.append(
            Line(
                f"experts' load, max/mean, last quarter of the stage {stage}",
                f"{load:.2f} ({name} {value:.3f})",
                f"without balancing {peer_load:.2f} ({name} {peer_value:.3f})",
                "",
                "≤ 1.25",
                load <= 1.25,
            )
        )
    return lines


def _seeded(table: dict[str, Any], seed: int) -> dict[str, Any]:
    """Another seed for the run and for the policy's first weights."""
    return {**table, "seed": seed, "policy": {**table["policy"], "seed": seed}}


def _without_balancing(table: dict[str, Any]) -> dict[str, Any]:
    table = deepcopy(table)
    for stage in table["stages"]:
        stage["trainer"]["bias_update_speed"] = 0.0
    return table


def _run(table: dict[str, Any], directory: Path, **environment: str) -> Went:
    into = directory / "run"
    guerdon = Path(sys.executable).parent / "guerdon"
    command = [str(guerdon), "train", str(run_file(table, into)), "--overwrite"]
    before, began = os.times(), time.monotonic()
    with subprocess.Popen(
        command,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        peak = _Peak(process.pid)
        _, said = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{said[-4000:]}")
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Went(time.monotonic() - began, cpu, peak.mb, read_metrics(into))


class _Peak:
    """Looks now and then at the memory of a process and of all that it started; what they share counts once."""

    def __init__(self, pid: int) -> None:
        self.mb = 0.0
        threading.Thread(target=self._watch, args=(pid,), daemon=True).start()

    def _watch(self, pid: int) -> None:
        while now := _proportional_mb(pid):
            self.mb = max(self.mb, now)
            time.sleep(0.5)


def _proportional_mb(pid: int) -> float:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    own = sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return own * 1024 / 1e6 + sum(map(_proportional_mb, children(pid)))


def _list(shares: Sequence[float]) -> str:
    return " ".join(f"{share:.2f}" for share in shares)
