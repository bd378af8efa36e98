"""Training where you are: policies, a sampler and trainers in plain torch, on a CPU or one GPU."""

from collections.abc import Callable

from guerdon import Policy, Sampler, Trainer, hookimpl
from guerdon_local.checkpoint import Checkpoint
from guerdon_local.deepseek_v3 import DeepseekV3
from guerdon_local.grpo import Grpo
from guerdon_local.preference import Preference
from guerdon_local.sampler import LocalSampler
from guerdon_local.sft import Sft

__all__ = ["Checkpoint", "DeepseekV3", "Grpo", "LocalSampler", "Preference", "Sft"]


@hookimpl
def register_policies(register: Callable[[type[Policy]], None]) -> None:
    """Offer `deepseek-v3` and `checkpoint`."""
    register(DeepseekV3)
    register(Checkpoint)


@hookimpl
def register_samplers(register: Callable[[type[Sampler]], None]) -> None:
    """Offer `local`."""
    register(LocalSampler)


@hookimpl
def register_trainers(register: Callable[[type[Trainer]], None]) -> None:
    """Offer `sft`, `grpo` and `preference`."""
    register(Sft)
    register(Grpo)
    register(Preference)
