"""What the progress bars of OpenRLHF's reward trainer say: steps as means of their micro-batches, and trials."""

import re
from collections.abc import Mapping

from guerdon_openrlhf.lines import SFT_ITEM, SFT_STEP, number_of

EVAL = re.compile(r"Eval stage of steps (\d+):.*?((?:, [\w/]+=[^,\]]+)+)\]")
METRICS: Mapping[str, str] = {
    "loss": "loss",
    "acc": "accuracy",
    "chosen_reward": "chosen/mean",
    "reject_reward": "rejected/mean",
    "lr": "learning_rate",
    "grad_norm": "grad_norm",
}
EVAL_METRICS: Mapping[str, str] = {
    "eval_loss": "eval/loss",
    "acc_mean": "eval/accuracy",
    "reward_mean": "eval/score/mean",
    "reward_std": "eval/score/std",
}
LAST = ("learning_rate", "grad_norm")
"""What a step's last micro-batch says for all of it."""


class Bars:
    """Reads line by line. A bar first shows a micro-batch's metrics and only then counts it, and may count silently.

    So a micro-batch is known to be over by the next count, or by a trial, which follows the last step too.
    """

    def __init__(self, micro_batches: int, done: int) -> None:
        """`micro_batches`: of one step. `done`: the steps before this attempt, which its bar does not count."""
        self.micro_batches, self.before = micro_batches, done
        self.reported, self.tried, self.counted = done, done, 0
        self.latest: dict[str, float] = {}
        self.of_step: list[dict[str, float]] = []

    def read(self, line: str) -> tuple[int, dict[str, float]] | None:
        """The number of a step, and the metrics that are known of it now."""
        if (found := EVAL.search(line)) is not None:
            return self._trial(int(found[1]), _metrics(found[2], EVAL_METRICS))
        if (found := SFT_STEP.search(line)) is None:
            return None
        counted, latest = int(found[1]), _metrics(found[3], METRICS)
        over = counted > self.counted
        if over:
            self.of_step.append(self.latest)
            self.counted = counted
        self.latest = latest
        step = self.before + self.counted // self.micro_batches
        return self._step(step) if over and step > self.reported else None

    def _trial(self, step: int, metrics: dict[str, float]) -> tuple[int, dict[str, float]] | None:
        if step <= self.tried:
            return None  # a bar is drawn more often than it moves
        self.tried = step
        if step <= self.reported:
            return step, metrics
        self.of_step.append(self.latest)
        self.counted += 1
        return step, {**self._step(step)[1], **metrics}

    def _step(self, step: int) -> tuple[int, dict[str, float]]:
        parts, self.of_step, self.reported = self.of_step, [], step
        means = {name: sum(part[name] for part in parts) / len(parts) for name in parts[-1]}
        return step, {**means, **{name: parts[-1][name] for name in LAST if name in means}}


def _metrics(text: str, names: Mapping[str, str]) -> dict[str, float]:
    values = {name: number_of(value) for name, value in SFT_ITEM.findall(text)}
    return {ours: values[theirs] for theirs, ours in names.items() if theirs in values}
