"""Which checkpoint is meant, and which run file says how its completions are sampled and judged."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from guerdon.checkpoints import Checkpoints, verified
from guerdon.cli import arguments
from guerdon.cli.terminal import warn
from guerdon.errors import DataError, GuerdonError, OptionError
from guerdon.options import build
from guerdon.plugs import Policy, Sampler
from guerdon.runfile import RunFile

CONFIG = "config.toml"


@dataclass(frozen=True)
class Which:
    """A checkpoint, and what to evaluate it with. `checkpoint` looks it over, or downloads it.

    Where the sampler brings a model of its own, `checkpoint` is that model's name.
    """

    file: RunFile
    sampler: Sampler
    checkpoint: Callable[[], Path]


def which(what: str | None, file: Path | None, overrides: Sequence[str]) -> Which:
    """What a run's directory, one of its checkpoints, another checkpoint or a name on the hub means.

    `file` is the run file to take in place of the run's own. None: the model that its sampler brings. Raises
    GuerdonError.
    """
    if what is None:
        return _brought(file, overrides)
    path = Path(what).expanduser()
    inside = path.resolve().parent
    run = inside.parent if inside.name == "checkpoints" and (inside.parent / CONFIG).is_file() else None
    if (path / CONFIG).is_file():
        run, find = path, partial(_last, path)
    elif run is not None or path.is_dir():
        find = partial(_saved if run is not None else _whole, path)
    else:
        find = partial(_from_hub, what)
    named = file or (run and run / CONFIG)
    if named is None:
        known = "is no run and no checkpoint of one" if path.exists() else "is not here, or no run"
        way_out = "name a run file with rewards and a sampler: --file RUNFILE"
        raise DataError(what, f"{known}, so how to sample and judge is not known", way_out)
    described, sampler = _described(named, overrides)
    if sampler.own_model is not None:
        known = f"'{sampler.name}' samples from {sampler.own_model}, and from no checkpoint"
        way_out = f"leave {what} out, or choose another sampler, as in --set sampler=local"
        raise OptionError(f"{described.path}: sampler", known, way_out)
    return Which(described, sampler, find)


def _brought(file: Path | None, overrides: Sequence[str]) -> Which:
    if file is None:
        raise OptionError("RUN|CHECKPOINT", "says what is evaluated", "name a run's directory, or a checkpoint")
    described, sampler = _described(file, overrides)
    name = sampler.own_model
    if name is None:
        known = f"says what is evaluated, for '{sampler.name}' samples from what it is given"
        raise OptionError("RUN|CHECKPOINT", known, "name a run's directory, or a checkpoint")
    return Which(described, sampler, partial(Path, name))


def _described(file: Path, overrides: Sequence[str]) -> tuple[RunFile, Sampler]:
    described = arguments.load(file, overrides)
    sampler = described.sampler or next((one.sampler for one in described.stages if one.sampler), None)
    if sampler is None:
        raise OptionError(f"{described.path}: sampler", "there is none", 'write [sampler], as in `use = "local"`')
    return described, sampler


def _last(run: Path) -> Path:
    damaged: list[str] = []
    saved = Checkpoints(run / "checkpoints").last_good(damaged)
    for one in damaged:
        warn(one)
    if saved is None:
        raise DataError(str(run), "holds no whole checkpoint", "train it first, with `guerdon train`")
    return saved.path


def _saved(path: Path) -> Path:
    return verified(path).path


def _whole(path: Path) -> Path:
    if not (path / "config.json").is_file():
        what = "is no Hugging Face checkpoint: it has no config.json"
        raise DataError(str(path), what, "name a run's directory, or a checkpoint")
    return path


def _from_hub(name: str) -> Path:
    try:
        policy = build(Policy, {"use": "checkpoint", "path": name}, "checkpoint")
    except GuerdonError as error:
        what = f"is not here, and nothing is installed that could fetch it: {error}"
        raise DataError(name, what, "name a directory") from None
    return policy.checkpoint(Path.cwd())
