"""Load balancing without an auxiliary loss: the router's bias follows the load.

DeepSeek-V3, arXiv 2412.19437, section 2.1.2.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


class Balancer:
    """Counts the experts that tokens are sent to, and moves the routers' biases so that all experts get their share.

    `module` is a DeepSeek-V3 of transformers, bare or inside of another module; any other has nothing to balance. The
    biases decide who is chosen, never with what weight, and no gradient reaches them.
    """

    def __init__(self, module: "torch.nn.Module") -> None:
        import torch
        from transformers.models.deepseek_v3.modeling_deepseek_v3 import DeepseekV3TopkRouter

        self._weights: torch.Tensor | None = None
        self._routers: dict[int, Any] = {}
        self._counts: dict[int, torch.Tensor] = {}
        for name, router in module.named_modules():
            if isinstance(router, DeepseekV3TopkRouter):
                found = re.search(r"\blayers\.(\d+)\.", name)
                assert found
                layer = int(found[1])
                self._routers[layer] = router
                self._counts[layer] = torch.zeros(router.num_experts, device=router.weight.device)
                router.register_forward_hook(lambda _, __, output, layer=layer: self._count(layer, output[2]))

    @property
    def layers(self) -> list[int]:
        """The numbers of the layers whose experts are balanced."""
        return list(self._routers)

    @contextmanager
    def counting(self, weights: "torch.Tensor") -> Iterator[None]:
        """Count in the forward passes inside. `weights` (batch, length): how often each token counts, 0 for padding."""
        self._weights = weights.reshape(-1)
        try:
            yield
        finally:
            self._weights = None

    def move(self, speed: float) -> dict[int, float]:
        """After an optimizer step: the load since the last move, by layer, and a bias that is `speed` nearer to even.

        The load is that of the expert with the most tokens, relative to the mean. A `speed` of 0 leaves the biases
        where they are. Layers in which nothing was counted are left out.
        """
        import torch

        loads = {}
        for layer, counts in self._counts.items():
            mean = counts.mean()
            if mean == 0:
                continue
            loads[layer] = float(counts.max() / mean)
            if speed:
                with torch.no_grad():
                    self._routers[layer].e_score_correction_bias += speed * torch.sign(mean - counts)
            counts.zero_()
        return loads

    def _count(self, layer: int, chosen: "torch.Tensor") -> None:
        import torch

        # gradient checkpointing runs the forward pass again during the backward pass
        if self._weights is None or torch._C._current_graph_task_id() != -1:
            return
        counts = self._counts[layer]
        weights = self._weights.to(counts.dtype).repeat_interleave(chosen.shape[-1])
        counts += torch.bincount(chosen.reshape(-1), weights=weights, minlength=counts.numel())
