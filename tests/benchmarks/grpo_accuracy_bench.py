"""How much CPU time it takes from the cold start to 90 % of held-out sums right, beside TRL's GRPOTrainer.

Both go through the same tasks with the same options and save a checkpoint now and then, each in its own way. The
checkpoints are evaluated afterwards, all by the same code, and that takes no part of the time.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from grpo_jobs import Job, Trained, cold_start, sums, with_guerdon, with_trl
from report import Line

STEPS = 120
EVERY = 5
WANTED = 0.9
SEEDS = (1, 2)
SAMPLES = 4


def accuracy_lines(peers: str) -> list[Line]:
    """CPU seconds until the first two checkpoints in a row that are right often enough."""
    spent, curves = [], []
    with tempfile.TemporaryDirectory() as directory:
        model = cold_start(Path(directory) / "cold-start")
        start = asyncio.run(right([model]))[0]
        for seed in SEEDS:
            jobs = [
                Job(str(model), str(Path(directory) / name), sums(STEPS * 32), STEPS, save_steps=EVERY, seed=seed)
                for name in ("guerdon", "trl")
            ]
            sides = (with_guerdon(jobs[0]), with_trl(jobs[1], peers))
            curves.append([asyncio.run(right(_checkpoints(side))) for side in sides])
            spent.append([_until(side, curve) for side, curve in zip(sides, curves[-1], strict=True)])
    ours, theirs = (sum(side) / len(SEEDS) for side in zip(*spent, strict=True))
    last = [f"{min(both[side][-1] for both in curves):.2f}" for side in (0, 1)]
    return [
        Line(
            f"GRPO, CPU seconds from {start:.2f} to {WANTED:.2f} of held-out sums right, mean of {len(SEEDS)} seeds",
            f"{ours:.1f} (after {STEPS} steps ≥ {last[0]})",
            f"TRL {theirs:.1f} (≥ {last[1]})",
            f"{theirs / ours:.1f} ×",
            "≥ 3 ×",
            ours < float("inf") and theirs >= 3 * ours,
        )
    ]


def _until(trained: Trained, accuracies: Sequence[float]) -> float:
    """CPU seconds; infinite if it is never reached."""
    for number, two in enumerate(pairwise(accuracies), start=1):
        if min(two) >= WANTED:
            return sum(trained.steps[: number * EVERY])
    return float("inf")


def _checkpoints(trained: Trained) -> list[Path]:
    found = [*trained.directory.glob("kept/step-*"), *trained.directory.glob("checkpoint-*")]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))


async def right(checkpoints: Sequence[Path]) -> list[float]:
    """The share of samples of held-out sums, at temperature 1, that are right and in the format."""
    from guerdon import Mixture, Sampling, Term, opened
    from guerdon_format import ThinkTags
    from guerdon_local import LocalSampler
    from guerdon_math import BoxedMath
    from guerdon_r1.sums import Sums

    held_out = list(Sums(split="test", size=200))
    sampling = Sampling(max_completion_length=40)
    sampler = LocalSampler()
    shares = []
    with Mixture([Term("accuracy", BoxedMath()), Term("format", ThinkTags(), gate=True)]) as mixture:
        async with opened(sampler):
            for path in checkpoints:
                groups = await sampler.sample(path, held_out, SAMPLES, sampling)
                rollouts = [rollout for group in groups for rollout in group]
                totals = mixture.submit(rollouts).result()
                shares.append(sum(total.value == 2 for total in totals) / len(totals))
    return shares
