"""The experts of a layer under the names of a saved checkpoint, from the two tensors of transformers 5."""

from collections.abc import Iterable, Iterator
from typing import Any

GATE_UP, DOWN = ".mlp.experts.gate_up_proj", ".mlp.experts.down_proj"


def separated(weights: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The same weights, where each expert has tensors of its own; whatever else there is stays as it is.

    `gate_up_proj`: (experts, 2 × inner width, hidden size), the gate first; `down_proj`: (experts, hidden size, inner
    width).
    """
    for name, weight in weights:
        if name.endswith(GATE_UP):
            prefix = name.removesuffix("gate_up_proj")
            for number, expert in enumerate(weight):
                gate, up = expert.chunk(2)
                yield f"{prefix}{number}.gate_proj.weight", gate
                yield f"{prefix}{number}.up_proj.weight", up
        elif name.endswith(DOWN):
            prefix = name.removesuffix("down_proj")
            for number, expert in enumerate(weight):
                yield f"{prefix}{number}.down_proj.weight", expert
        else:
            yield name, weight
