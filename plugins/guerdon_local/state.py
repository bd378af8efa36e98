"""What a checkpoint keeps for the trainer, next to the model: `trainer/state.pt`, tensors and plain values only."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from guerdon import DataError

FILE = Path("trainer") / "state.pt"
FORMAT = 1


def save(directory: Path, state: Mapping[str, Any]) -> None:
    """Write the state into a checkpoint directory."""
    path = directory / FILE
    path.parent.mkdir(exist_ok=True)
    torch.save({"format": FORMAT, **state}, path)


def load(directory: Path) -> dict[str, Any]:
    """The state in a checkpoint directory, on the CPU. Runs no code of the file. Raises DataError."""
    path = directory / FILE
    way_out = "remove this checkpoint, so that the one before it is gone on from"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(str(path), "is missing from the checkpoint", way_out) from None
    except Exception as error:  # torch, zipfile and pickle raise dozens of kinds
        said = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(str(path), f"is damaged: {said}", way_out) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise DataError(str(path), "was not saved by this version of guerdon", way_out)
    return state


def packed(tensors: Sequence[Tensor]) -> dict[str, Tensor]:
    """Many tensors of one dimension as two: a file of thousands of them is slow."""
    return {"values": torch.cat(list(tensors)).cpu(), "lengths": torch.tensor([len(one) for one in tensors])}


def unpacked(both: Mapping[str, Tensor]) -> list[Tensor]:
    """The reverse of `packed`."""
    return list(torch.split(both["values"], both["lengths"].tolist()))
