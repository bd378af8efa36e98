"""boxed-math beside math-verify: accuracy, hostile items, throughput, and what hanging items cost."""

import json
import subprocess
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from corpora import load, math_rollout
from cpu import tree_cpu_seconds
from report import Line
from slow_math import HANG, SlowMath

from guerdon import Mixture, Rollout, Term, Total
from guerdon_math import BoxedMath

PEER = Path(__file__).parent / "peers" / "math_verify_peer.py"
SECONDS = 2.0
REPEATS = 5


def math_lines(peers: str) -> list[Line]:
    """Every line of the table that is about math."""
    dev = [item for item in load("math/dev") if not item.get("policy")]
    hostile = load("math/adversarial_dev")
    peer_core = _peer(peers, dev)
    peer_hostile = _peer(peers, hostile, "--isolated", str(SECONDS))
    mixture_lines = _core(dev, peer_core)
    return [*mixture_lines, _hostile(hostile, peer_hostile), _hanging(dev)]


def _peer(python: str, items: Sequence[dict[str, Any]], *arguments: str) -> dict[str, Any]:
    text = "\n".join(json.dumps({"gold": item["gold"], "response": item["response"]}) for item in items)
    done = subprocess.run([python, str(PEER), *arguments], input=text, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _values(totals: Sequence[Total]) -> list[float | None]:
    return [total.value for total in totals]


def _core(items: list[dict[str, Any]], peer: dict[str, Any]) -> list[Line]:
    rollouts = [math_rollout(item) for item in items]
    seconds = 0.0
    for _ in range(REPEATS):
        # Fresh workers each time: what they remember of an item must not be counted as speed.
        with Mixture([Term("math", BoxedMath())]) as mixture:
            _warm_up(mixture)
            values, cpu, _ = _timed(mixture, rollouts)
            seconds += cpu
    ours = REPEATS * len(items) / seconds
    theirs = len(items) / peer["cpu_seconds"]
    right = _accuracy(items, [value == 1 for value in values])
    peer_right = _accuracy(items, [verdict["equal"] is True for verdict in peer["verdicts"]])
    false = [i for i, item in enumerate(items) if not item["correct"]]
    accepted = sum(values[i] == 1 for i in false)
    peer_accepted = sum(peer["verdicts"][i]["equal"] is True for i in false)
    return [
        Line("math, accuracy on core", f"{right:.2%}", f"math-verify {peer_right:.2%}", "", "≥ 98.5 %", right >= 0.985),
        Line(
            "math, false positives on core",
            f"{accepted} of {len(false)}",
            f"math-verify {peer_accepted}",
            "",
            "≤ 0.2 %",
            accepted <= 0.002 * len(false),
        ),
        Line(
            "math, verifications per CPU second",
            f"{ours:.0f}",
            f"math-verify {theirs:.0f}",
            f"{ours / theirs:.1f} ×",
            "≥ 15 ×",
            ours >= 15 * theirs,
        ),
    ]


def _hostile(items: list[dict[str, Any]], peer: dict[str, Any]) -> Line:
    right, slowest = 0, 0.0
    with Mixture([Term("math", BoxedMath())]) as mixture:
        _warm_up(mixture)
        for item in items:
            started = time.monotonic()
            value = mixture.submit([math_rollout(item)]).result()[0].value
            seconds = time.monotonic() - started
            slowest = max(slowest, seconds)
            right += (value == 1) == item["correct"] and value is not None and seconds <= SECONDS
    peer_right = sum(
        verdict["equal"] is item["correct"] and verdict["seconds"] <= SECONDS
        for item, verdict in zip(items, peer["verdicts"], strict=True)
    )
    return Line(
        f"math, hostile items right within {SECONDS:g} s",
        f"{right / len(items):.1%}, slowest {slowest:.2f} s",
        f"math-verify {peer_right / len(items):.1%}",
        "",
        "≥ 98 %, none late",
        right >= 0.98 * len(items) and slowest <= SECONDS,
    )


def _hanging(items: list[dict[str, Any]]) -> Line:
    """2 % of the items hang in C code that holds the GIL, as no item of ours does any more."""
    rollouts = [math_rollout(item) for item in items]
    hanging = [replace(one, completion=HANG) if i % 50 == 0 else one for i, one in enumerate(rollouts)]
    hangs = sum(one.completion == HANG for one in hanging)
    reward = SlowMath()
    with Mixture([Term("math", reward)]) as mixture:
        _warm_up(mixture)
        expected, without, _ = _timed(mixture, rollouts)
        found, cpu, wall = _timed(mixture, hanging)
    others_right = all(a == b for a, b, one in zip(expected, found, hanging, strict=True) if one.completion != HANG)
    all_zero = all(value == 0 for value, one in zip(found, hanging, strict=True) if one.completion == HANG)
    budget = reward.budget.cpu_seconds
    extra = (cpu - without) / hangs - 2 * budget
    return Line(
        f"math, {hangs} of {len(items)} items hang",
        f"{cpu:.1f} CPU-s, {wall:.1f} s wall; without {without:.1f}",
        "",
        f"{1000 * extra:.0f} ms a hang beyond 2 × {budget:g} s",
        "≤ 50 ms, others right",
        extra <= 0.05 and others_right and all_zero,
    )


def _timed(mixture: Mixture, rollouts: list[Rollout]) -> tuple[list[float | None], float, float]:
    cpu, wall = tree_cpu_seconds(), time.monotonic()
    values = _values(mixture.submit(rollouts).result())
    return values, tree_cpu_seconds() - cpu, time.monotonic() - wall


def _warm_up(mixture: Mixture) -> None:
    # Starting the fork server and its workers is start-up, and is measured apart.
    mixture.submit([math_rollout({"id": str(i), "gold": "1", "response": r"\boxed{1}"}) for i in range(64)]).result()


def _accuracy(items: list[dict[str, Any]], equal: list[bool]) -> float:
    return sum(item["correct"] == verdict for item, verdict in zip(items, equal, strict=True)) / len(items)
