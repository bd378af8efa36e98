"""The policy as it was: weights that the trained module takes on for a while, so that there is no second module."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def moving(module: nn.Module) -> dict[str, Tensor]:
    """All that training changes, by name: the parameters that have gradients (of an adapter only its own), and the
    buffers that are saved, among them the routers' biases."""
    everything = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    trained = {name: one for name, one in module.named_parameters() if one.requires_grad}
    return trained | {name: one for name, one in module.state_dict(keep_vars=True).items() if name not in everything}


class Reference:
    """The weights that the KL divergence is measured from."""

    def __init__(self, module: nn.Module) -> None:
        self.moving = moving(module)
        self.weights = {name: one.detach().clone() for name, one in self.moving.items()}

    def refresh(self) -> None:
        """Take the weights as they are now (DeepSeek-R1, arXiv 2501.12948v2: every 400 steps)."""
        self.load(self.moving)

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Take these weights."""
        for name, one in self.weights.items():
            one.copy_(weights[name].detach())

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """The module is the reference here. Without gradients."""
        self._swap()
        try:
            with torch.no_grad():
                yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, one in self.moving.items():
            one.data, self.weights[name] = self.weights[name], one.data
