"""One step of GRPO beside TRL's GRPOTrainer: the same checkpoint, tasks, reward and options, one thread each."""

import statistics
import tempfile
from pathlib import Path

from grpo_jobs import Job, Trained, cold_start, sums, with_guerdon, with_trl
from report import Line

ROUNDS = 3
STEPS = 10
WARM = 3
"""Steps that are not counted: the first has what is made once."""


def step_lines(peers: str) -> list[Line]:
    """CPU seconds of a step, medians of alternating rounds."""
    with tempfile.TemporaryDirectory() as directory:
        model = cold_start(Path(directory) / "cold-start")
        same, free = (_rounds(Path(directory), peers, model, endless) for endless in (True, False))
    return [
        _line("GRPO step, every completion of 40 tokens", same, "≥ 3 ×"),
        _line("GRPO step, completions end by themselves", free, None),
    ]


def _rounds(directory: Path, peers: str, model: Path, endless: bool) -> list[tuple[Trained, Trained]]:
    tasks = sums(STEPS * 32)
    found = []
    for number in range(ROUNDS):
        ours, theirs = (
            Job(str(model), str(directory / name), tasks, STEPS, endless=endless, seed=number)
            for name in ("guerdon", "trl")
        )
        found.append((with_guerdon(ours), with_trl(theirs, peers)))
    return found


def _line(what: str, rounds: list[tuple[Trained, Trained]], bar: str | None) -> Line:
    ratio = statistics.median(_step(theirs) / _step(ours) for ours, theirs in rounds)
    texts = []
    for side in (0, 1):
        seconds = statistics.median(_step(both[side]) for both in rounds)
        tokens = statistics.fmean(statistics.fmean(both[side].tokens[WARM:]) for both in rounds)
        texts.append(f"{seconds:.2f} CPU-s, {tokens:,.0f} tokens")
    return Line(what, texts[0], f"TRL {texts[1]}", f"{ratio:.1f} ×", bar or "", ratio >= 3 if bar else None)


def _step(trained: Trained) -> float:
    return statistics.median(trained.steps[WARM:])
