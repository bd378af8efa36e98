"""What verl is told of guerdon: the keys of `custom_reward_function.reward_kwargs`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from guerdon import OptionError
from guerdon.columns import PRESETS, Columns

WHERE = "custom_reward_function.reward_kwargs"
NOT_OURS = ("reward_router_address", "reward_model_tokenizer")
"""What verl hands over beside them where it serves a reward model (reward_loop/reward_manager/naive.py)."""
HANDED_OVER: Columns = {
    **PRESETS["verl"],
    "prompt": ("extra_info.prompt", "extra_info.question", "prompt"),
    "domain": ("extra_info.domain", "extra_info.ability"),
    "id": ("extra_info.id",),
    "language": ("extra_info.language",),
}
"""Our columns in what reaches a reward function: of a row's own columns that is not `prompt`, and not `ability`."""


class Settings(BaseModel):
    """The keys of `reward_kwargs`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    run_file: Path
    """The run file. Its whole path: Ray's workers may stand in other directories."""
    overrides: tuple[str, ...] = ()
    """Changes to the run file, each `dotted.key=value`."""
    stage: str | None = None
    """The stage whose rewards are meant; unless set, those of the file."""
    columns: tuple[tuple[str, str | tuple[str, ...]], ...] = ()
    """guerdon's name of a column to where verl has it: `{domain: data_source, id: extra_info.index}`."""
    prefill: str = ""
    """What the chat template writes at the head of every completion, such as `<think>`; verl does not say."""
    substitute: float = Field(0.0, allow_inf_nan=False)
    """What stands for a total or a term that has no score, since verl needs a number."""
    workers: int | None = Field(None, gt=0)
    """Processes per isolated reward in each of verl's reward workers; unless set, one a core."""

    @classmethod
    def of(cls, reward_kwargs: Mapping[str, Any]) -> Self:
        """Read what verl hands over. Raises OptionError."""
        options = {name: _plain(value) for name, value in reward_kwargs.items() if name not in NOT_OURS}
        if isinstance(options.get("columns"), dict):
            options["columns"] = list(options["columns"].items())
        try:
            return cls(**options)
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            what = {"extra_forbidden": "no such option", "missing": "is missing"}.get(first["type"], first["msg"])
            way_out = f"known here: {', '.join(cls.model_fields)}"
            if name == "run_file":
                way_out = f"as in `+reward.{WHERE}.run_file=/data/mix.toml`"
            raise OptionError(f"{WHERE}.{name}", what, way_out) from None

    @property
    def mapping(self) -> Columns:
        """Our names of columns to verl's."""
        return {**HANDED_OVER, **dict(self.columns)}


def _plain(value: Any) -> Any:
    """What OmegaConf holds, as lists and dictionaries."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(one) for one in value]
    return value
