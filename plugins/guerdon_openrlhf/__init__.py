"""Training on a cluster: the real OpenRLHF (Ray, vLLM, DeepSpeed), fed by a run file."""

from collections.abc import Callable

from guerdon import Trainer, hookimpl
from guerdon_openrlhf.grpo import OpenrlhfGrpo
from guerdon_openrlhf.rm import OpenrlhfRm
from guerdon_openrlhf.sft import OpenrlhfSft

__all__ = ["OpenrlhfGrpo", "OpenrlhfRm", "OpenrlhfSft"]


@hookimpl
def register_trainers(register: Callable[[type[Trainer]], None]) -> None:
    """Offer `openrlhf`, `openrlhf-sft` and `openrlhf-rm`."""
    register(OpenrlhfGrpo)
    register(OpenrlhfSft)
    register(OpenrlhfRm)
