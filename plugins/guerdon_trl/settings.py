"""What a reward function is told once: plain values, so that TRL can send it to another process."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from guerdon.columns import PRESETS, Columns


@dataclass(frozen=True)
class Settings:
    """The arguments of `reward_funcs`, in which they are explained."""

    run_file: Path
    overrides: tuple[str, ...]
    stage: str | None
    workers: int | None
    columns: tuple[tuple[str, str | tuple[str, ...]], ...]
    prefill: str
    group_size: int | None
    eos_token_ids: frozenset[int]
    directory: Path | None
    per_term: bool

    @property
    def mapping(self) -> Columns:
        """Our names of columns to the data set's: its own ones, and for the others TRL's habits."""
        named: Mapping[str, str | tuple[str, ...]] = dict(self.columns)
        return MappingProxyType({**PRESETS["trl"], **named})
