"""What OpenRLHF 0.11.2 cannot do, by the option that asks for it, each with the reason. Looked up in its wheel."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticCustomError

ROUTER_BIAS = (
    "the routers' bias is a buffer (e_score_correction_bias), and only parameters are sent to vLLM "
    "(trainer/ray/ppo_actor.py:478), so the engines would go on routing with the old one"
)
LORA = (
    "with LoRA, OpenRLHF sends vLLM the adapter's weights under peft's names, which vLLM does not know "
    "(trainer/ray/ppo_actor.py:478)"
)
AUX_LOSS = "transformers' DeepSeek-V3 computes no auxiliary loss, so OpenRLHF would stop in its first step"

REFUSED: Mapping[str, str] = {
    "bias_update_speed": ROUTER_BIAS,
    "lora_rank": LORA,
    "ref_model_sync_steps": "OpenRLHF keeps the reference that the run began with, and nothing resets it",
    "router_replay": "OpenRLHF does not record which experts vLLM chose",
    "mask_truncated_completions": "OpenRLHF learns from completions that were cut off; see overlong_buffer_length",
    "dynamic_sampling": "OpenRLHF filters by the group's mean; see dynamic_filtering",
    "sampling_batch_size": "OpenRLHF samples and judges all questions of a generation at once",
    "tokens_per_micro_batch": "see micro_batch_size, or max_tokens_per_gpu",
}
"""Where they ask for nothing (0, false) they are let through: a run file may keep them when it moves to a cluster."""


def refuse(options: Any) -> Any:
    """The options without those that ask for nothing. Raises PydanticCustomError for one that cannot be had."""
    if not isinstance(options, Mapping):
        return options
    for name, reason in REFUSED.items():
        if options.get(name):
            raise PydanticCustomError("refused", "{what}", {"what": f"{name} cannot be had from OpenRLHF: {reason}"})
    if options.get("loss_type") == "cispo":
        what = "loss_type = 'cispo' cannot be had from OpenRLHF: its policy losses are ppo and gspo"
        raise PydanticCustomError("refused", "{what}", {"what": what})
    # What a validator has seen is no JSON any more, where a list would do for a tuple.
    kept = {name: value for name, value in options.items() if name not in REFUSED}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
