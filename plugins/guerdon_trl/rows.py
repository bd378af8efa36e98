"""From what TRL hands to a reward function to rollouts: prompts, completions and the columns of the data set."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from guerdon import DataError, GuerdonError, Rollout
from guerdon.columns import rollout_of
from guerdon.jsonvalues import plain
from guerdon_trl.settings import Settings

NOT_COLUMNS = ("trainer_state", "log_extra", "log_metric", "environments")
"""What TRL 1.16 hands over beside the columns (GRPOTrainer._calculate_rewards)."""


def rollouts_of(
    settings: Settings, prompts: Sequence[Any], completions: Sequence[Any], more: Mapping[str, Any]
) -> list[Rollout]:
    """One rollout of each completion; neighbours with the same columns share their task. Raises DataError."""
    columns = {name: values for name, values in more.items() if name not in NOT_COLUMNS}
    completion_ids = columns.pop("completion_ids", None)
    rollouts: list[Rollout] = []
    for i, (prompt, completion) in enumerate(zip(prompts, completions, strict=True)):
        where = f"row {i} of TRL's batch"
        text, has_thinking = _text(completion, where)
        row = {name: plain(values[i]) for name, values in columns.items()}
        row |= {"prompt": plain(prompt), "completion": text}
        row.setdefault("prefill", "" if has_thinking else settings.prefill)
        if completion_ids is not None:
            ids = row["completion_ids"] = [int(one) for one in completion_ids[i]]
            row["truncated"] = bool(settings.eos_token_ids and ids) and ids[-1] not in settings.eos_token_ids
        rollout, _ = rollout_of(row, where, settings.mapping)
        if rollouts and rollouts[-1].task == rollout.task:
            rollout = replace(rollout, task=rollouts[-1].task)
        rollouts.append(rollout)
    return rollouts


def groups_of(rollouts: Sequence[Rollout], size: int) -> list[str]:
    """The group of each rollout: TRL keeps the `size` completions of a prompt together. Raises GuerdonError if not."""
    for start in range(0, len(rollouts), size):
        group = rollouts[start : start + size]
        if len(group) < size or any(rollout.task != group[0].task for rollout in group):
            raise GuerdonError(
                "reward_funcs: group_size",
                f"rows {start} to {start + len(group) - 1} of TRL's batch are not the {size} completions of a prompt",
                "a reward that compares them needs all of them in one process: num_generations (and "
                f"num_generations_eval) must be {size}, and divide per_device_train_batch_size × steps_per_generation "
                "(and per_device_eval_batch_size)",
            )
    return [str(i // size) for i in range(len(rollouts))]


def _text(completion: Any, where: str) -> tuple[str, bool]:
    """What the model wrote, and whether TRL had already taken its thinking apart."""
    if isinstance(completion, str):
        return completion, False
    if not isinstance(completion, list) or len(completion) != 1 or not isinstance(completion[0], Mapping):
        raise DataError(
            where,
            f"the completion is no text and no single message, but {_shown(completion)}",
            "conversations of several turns, and with tools, cannot be judged yet: train without `tools`",
        )
    message = completion[0]
    content = message.get("content") or ""
    if not isinstance(content, str):
        raise DataError(where, f"the content of the completion is {type(content).__name__}", "only text can be judged")
    # A tokenizer with a `response_template` has TRL take the text apart; its names for thinking are these two.
    thinking = message.get("reasoning_content") or message.get("thinking")
    return (f"<think>{thinking}</think>{content}", True) if isinstance(thinking, str) else (content, False)


def _shown(completion: Any) -> str:
    return f"{len(completion)} messages" if isinstance(completion, list) else type(completion).__name__
