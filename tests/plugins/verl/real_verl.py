"""verl's own configuration, loader and reward managers, and batches as its trainer makes them."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

RESPONSE_LENGTH = 8192


def configured(run_file: Path, name: str, *overrides: str) -> Any:
    """verl's configuration, as its command line composes it."""
    from hydra import compose, initialize_config_module
    from verl.experimental.reward_loop.reward_loop import migrate_legacy_reward_impl

    ours = "custom_reward_function"
    with initialize_config_module("verl.trainer.config", version_base=None):
        composed = compose(
            "ppo_trainer",
            [
                f"reward.{ours}.path=pkg://guerdon_verl",
                f"reward.{ours}.name={name}",
                f"+reward.{ours}.reward_kwargs.run_file={run_file}",
                *overrides,
            ],
        )
    return migrate_legacy_reward_impl(composed)


def batch(tokenizer: Any, rows: Sequence[Mapping[str, Any]]) -> Any:
    """A DataProto of completions. A row has `completion`, `ground_truth`, `data_source` and `extra_info`."""
    import numpy as np
    import torch
    from verl import DataProto

    ids = [[*tokenizer(row["completion"])["input_ids"], tokenizer.eos_token_id] for row in rows]
    longest = max(map(len, ids))
    responses = torch.tensor([one + [tokenizer.pad_token_id] * (longest - len(one)) for one in ids])
    attended = torch.tensor([[1] * (2 + len(one)) + [0] * (longest - len(one)) for one in ids])
    return DataProto.from_dict(
        tensors={
            "prompts": torch.ones(len(ids), 2, dtype=torch.long),
            "responses": responses,
            "attention_mask": attended,
        },
        non_tensors={
            "data_source": np.array([row.get("data_source", "math") for row in rows], dtype=object),
            "reward_model": np.array([{"ground_truth": row["ground_truth"]} for row in rows], dtype=object),
            "extra_info": np.array([dict(row.get("extra_info", {})) for row in rows], dtype=object),
        },
    )


def judged(config: Any, tokenizer: Any, data: Any) -> list[dict[str, Any]]:
    """What verl's reward manager, as its loader makes it, says of each row: its reward, and what it shows of it."""
    from verl.trainer.ppo.reward import load_reward_manager

    async def judge() -> list[dict[str, Any]]:
        manager = load_reward_manager(config, tokenizer)
        return await asyncio.gather(*(manager.run_single(data[i : i + 1]) for i in range(len(data))))

    return asyncio.run(judge())
