"""vLLM's DeepSeek models, which take experts under the names of transformers 5 as well. Only vLLM imports it."""

from collections.abc import Iterable
from typing import Any

from vllm.model_executor.models import deepseek_v2

from guerdon_openrlhf.experts import separated


class DeepseekV2ForCausalLM(deepseek_v2.DeepseekV2ForCausalLM):  # type: ignore[misc]  # not installed where types are checked
    """vLLM's own but for the names of experts. See `guerdon_openrlhf.vllm_plugin`."""

    def load_weights(self, weights: Iterable[tuple[str, Any]]) -> set[str]:
        """Load weights of a checkpoint, or of a model in training."""
        loaded: set[str] = super().load_weights(separated(weights))
        return loaded


class DeepseekV3ForCausalLM(DeepseekV2ForCausalLM):
    """The same; vLLM's own differs from the other by its name only."""
