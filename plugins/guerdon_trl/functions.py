"""`reward_funcs`: what TRL's trainers take under this name."""

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from guerdon import OptionError, Total
from guerdon.columns import NONE, Columns
from guerdon.runfile import load
from guerdon_trl.judging import judge_of
from guerdon_trl.settings import Settings

TOTAL = "guerdon"
"""The name of the function that gives the total."""


class Function:
    """A reward function under the name that TRL logs it by. Nothing in it is open, so it can be pickled."""

    def __init__(self, settings: Settings, name: str, weight: float = 1.0, term: str | None = None) -> None:
        self.__name__ = name
        self.weight = weight
        """What it counts: its share of TRL's `reward_weights`."""
        self._settings = settings
        self._term = term

    def __repr__(self) -> str:
        return f"<the reward function '{self.__name__}' of {self._settings.run_file}>"

    def _values(self, totals: Sequence[Total]) -> list[float | None]:
        if self._term is None:
            return [total.value for total in totals]
        # Where there is no total no term may be counted: TRL would add up the others.
        return [None if total.value is None else total.terms[self._term].score.value for total in totals]


class RewardFunction(Function):
    """A reward function that TRL calls."""

    def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **more: Any) -> list[float | None]:
        """A reward for each completion, None for no score. `more`: whatever else TRL hands to reward functions."""
        judge = judge_of(self._settings)
        return self._values(judge.judge(self.__name__, prompts, completions, more))


class AsyncRewardFunction(Function):
    """A reward function that TRL awaits, together with others that are asynchronous."""

    async def __call__(self, prompts: Sequence[Any], completions: Sequence[Any], **more: Any) -> list[float | None]:
        """A reward for each completion, None for no score. `more`: whatever else TRL hands to reward functions."""
        judge = await asyncio.to_thread(judge_of, self._settings)
        return self._values(await judge.judge_async(self.__name__, prompts, completions, more))


def reward_funcs(
    run_file: str | Path,
    *,
    per_term: bool = False,
    asynchronous: bool = False,
    columns: Columns = NONE,
    prefill: str = "",
    group_size: int | None = None,
    eos_token_ids: Collection[int] = (),
    directory: str | Path | None = None,
    overrides: Sequence[str] = (),
    stage: str | None = None,
    workers: int | None = None,
) -> list[RewardFunction | AsyncRewardFunction]:
    """The rewards of a run file, as the `reward_funcs` of GRPOTrainer and RLOOTrainer.

    One function that gives the mixture's total or, with `per_term`, one for each term; its `weight` then belongs into
    TRL's `reward_weights`, and TRL's sum is the total. TRL cannot shut a gate, so a mixture with gates is refused
    there. A rollout without a total is None in every function, and so has no advantage and no place in the baseline.

    - `asynchronous`: functions that TRL awaits, while other asynchronous ones run.
    - `columns`: guerdon's name of a column to the data set's, as in `{"ground_truth": "target", "domain": "subject"}`.
      Columns of guerdon's own names need none; the ground truth is looked for in `ground_truth`, `solution`, `answer`.
    - `prefill`: what the chat template writes at the head of every completion, such as `<think>`; TRL does not say.
    - `group_size`: TRL's `num_generations`. Rewards that compare the completions of a prompt need it.
    - `eos_token_ids`: the tokens that end a completion. With them, one that has another at its end is `truncated`.
    - `directory`: where every rollout is kept with all its terms and reasons, as a run directory keeps them.
    - `overrides`: changes to the run file, `dotted.key=value`. `stage`: the rewards of this stage.
    - `workers`: processes per isolated reward in each process that trains; one a core unless set.

    The file is read and checked here. Its rewards are opened once in each process that scores, by the first batch, and
    closed with it. Raises GuerdonError.
    """
    path = Path(run_file).absolute()
    mixture = load(path, overrides).mixture(workers, stage)
    if mixture.needs_groups and group_size is None:
        way_out = "as in `reward_funcs(…, group_size=8)`, the num_generations of GRPOConfig"
        raise OptionError(f"{path}: rewards", "one compares the completions of a prompt", f"say how many: {way_out}")
    settings = Settings(
        path,
        tuple(overrides),
        stage,
        workers,
        tuple((ours, name if isinstance(name, str) else tuple(name)) for ours, name in columns.items()),
        prefill,
        group_size,
        frozenset(eos_token_ids),
        Path(directory).absolute() if directory else None,
        per_term,
    )
    kind = AsyncRewardFunction if asynchronous else RewardFunction
    if not per_term:
        return [kind(settings, TOTAL)]
    for term in mixture.terms:
        if term.gate:
            raise OptionError(
                f"{path}: rewards.{term.name}.gate",
                "TRL adds up the functions of terms, and cannot shut a gate",
                "leave `per_term` away, or set `gate = false` and let it be a term like the others",
            )
    return [kind(settings, term.name, term.weight, term.name) for term in mixture.terms]
