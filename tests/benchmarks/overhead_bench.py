"""What the mixture itself costs, for a reward that costs nothing."""

from cpu import tree_cpu_seconds
from report import Line
from slow_math import Trivial, TrivialInline

from guerdon import Mixture, Rollout, Task, Term, Verifier

BATCH = 512
BATCHES = 40
COMPLETION = "word " * 200 + "x"


def overhead_lines() -> list[Line]:
    """CPU time per rollout and term, in this process and its workers together."""
    inline, isolated = _microseconds(TrivialInline()), _microseconds(Trivial())
    return [
        Line("mixture, per rollout and term, inline", f"{inline:.1f} µs", "", "", "≤ 20 µs", inline <= 20),
        Line("mixture, per rollout and term, isolated", f"{isolated:.1f} µs", "", "", "≤ 150 µs", isolated <= 150),
    ]


def _microseconds(reward: Verifier) -> float:
    rollouts = [Rollout(Task(str(i), "prompt", "x"), COMPLETION) for i in range(BATCH)]
    with Mixture([Term("trivial", reward)]) as mixture:
        mixture.submit(rollouts).result()
        started = tree_cpu_seconds()
        for _ in range(BATCHES):
            mixture.submit(rollouts).result()
        return 1e6 * (tree_cpu_seconds() - started) / (BATCH * BATCHES)
