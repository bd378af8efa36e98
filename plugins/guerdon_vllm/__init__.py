"""Samplers for models that are not in this process: vLLM, and any OpenAI-compatible endpoint."""

from collections.abc import Callable

from guerdon import Sampler, hookimpl
from guerdon_vllm.endpoint import OpenaiSampler
from guerdon_vllm.offline import VllmSampler

__all__ = ["OpenaiSampler", "VllmSampler"]


@hookimpl
def register_samplers(register: Callable[[type[Sampler]], None]) -> None:
    """Offer `vllm` and `openai`."""
    register(VllmSampler)
    register(OpenaiSampler)
