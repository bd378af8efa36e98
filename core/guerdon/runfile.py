"""TOML in, a run out. The whole file is checked before anything runs, and every mistake is named."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from guerdon import registry
from guerdon.errors import DataError, GuerdonError, OptionError, RunFileError, suggestion
from guerdon.evaluation import Evaluation
from guerdon.mixture import Mixture
from guerdon.options import build, checked
from guerdon.plugs import MIXTURE_KEYS, Plug, Policy, Reward, Sampler, Tasks
from guerdon.stages import WRITE_A_REWARD, Shared, Stage, plug_of, stages_of
from guerdon.totals import Term, faults

TOP_LEVEL = (
    "directory",
    "seed",
    "note",
    "trackers",
    "rewards",
    "tasks",
    "policy",
    "sampler",
    "trainer",
    "stages",
    "evaluation",
)

AnyPlug = TypeVar("AnyPlug", bound=Plug)


@dataclass(frozen=True)
class RunFile:
    """What a run file says. Nothing in it is open yet."""

    path: Path
    text: str
    table: Mapping[str, Any]
    """All of it as plain data, with the overrides in it."""
    directory: Path
    seed: int
    terms: Sequence[Term]
    tasks: Tasks | None = None
    policy: Policy | None = None
    sampler: Sampler | None = None
    stages: Sequence[Stage] = ()
    """What is trained, in order; a file with a `[trainer]` of its own has one, `train`."""
    evaluation: Evaluation | None = None
    trackers: Sequence[str] = ()
    note: str = ""
    """What a reader of its curves must know."""

    def mixture(self, workers: int | None = None, stage: str | None = None) -> Mixture:
        """Its rewards as a mixture, to be used in a `with`. `workers`: processes per isolated reward.

        `stage`: the rewards of the stage of this name, which are the file's unless it has its own. Raises OptionError
        if there are none.
        """
        terms, where = self.terms, "rewards"
        if stage is not None:
            names = [one.name for one in self.stages]
            if stage not in names:
                raise OptionError(f"stages.{stage}", "there is no such stage", suggestion(stage, names))
            terms, where = self.stages[names.index(stage)].terms, f"stages.{stage}.rewards"
        if not terms:
            raise OptionError(where, "there is none", WRITE_A_REWARD)
        return Mixture(terms, workers)


def load(path: Path, overrides: Sequence[str] = ()) -> RunFile:
    """Read and check a run file. `overrides` are `dotted.key=value`; a value that is no TOML is a string.

    Raises DataError if it cannot be read at all, and RunFileError with every mistake that is in it.
    """
    text = _text(path)
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(str(path), f"is not TOML: {error}", "strings need quotes; see https://toml.io") from None
    except RecursionError:
        raise DataError(str(path), "is nested too deep", "no run file needs that") from None
    for one in overrides:
        override(table, one)
    return parse(table, path, text)


def parse(table: Mapping[str, Any], path: Path, text: str) -> RunFile:
    """Check a run file that is already a table."""
    mistakes: list[GuerdonError] = []
    for key in table:
        if key not in TOP_LEVEL:
            mistakes.append(OptionError(key, "no such table or key", suggestion(key, TOP_LEVEL)))
    directory, seed = table.get("directory", f"runs/{path.stem}"), table.get("seed", 0)
    note = table.get("note", "")
    if not isinstance(directory, str):
        mistakes.append(OptionError("directory", f"is a path, got {directory!r}"))
    if not isinstance(seed, int) or isinstance(seed, bool):
        mistakes.append(OptionError("seed", f"is a whole number, got {seed!r}"))
    if not isinstance(note, str):
        mistakes.append(OptionError("note", f"is text, got {note!r}"))
    shared = Shared(
        _terms(table, "rewards", mistakes) if "rewards" in table else [],
        plug_of(Tasks, table, "", mistakes),
        plug_of(Policy, table, "", mistakes),
        plug_of(Sampler, table, "", mistakes),
    )
    stages = stages_of(table, shared, _terms, mistakes)
    if "rewards" not in table and not ("trainer" in table or "stages" in table):
        mistakes.append(OptionError("rewards", "there is none", WRITE_A_REWARD))
    evaluation = _evaluation(table, shared, mistakes)
    trackers = _trackers(table, mistakes)
    if mistakes:
        raise RunFileError(str(path), mistakes)
    return RunFile(
        path,
        text,
        table,
        Path(directory),
        seed,
        shared.terms,
        shared.tasks,
        shared.policy,
        shared.sampler,
        stages,
        evaluation,
        trackers,
        note,
    )


def _evaluation(table: Mapping[str, Any], shared: Shared, mistakes: list[GuerdonError]) -> Evaluation | None:
    options = table.get("evaluation")
    if options is None:
        return None
    if not isinstance(options, Mapping):
        mistakes.append(OptionError("evaluation", f"is a table, got {options!r}", "write [evaluation]"))
        return None
    try:
        evaluation = checked(Evaluation, options, "evaluation")
    except RunFileError as error:
        mistakes += error.mistakes
        return None
    names = [term.name for term in shared.terms]
    for name in evaluation.correct:
        if name not in names:
            mistakes.append(OptionError("evaluation.correct", f"no reward is named '{name}'", suggestion(name, names)))
    if shared.sampler is None:
        mistakes.append(OptionError("evaluation", "needs a [sampler]", 'as in `[sampler]` with `use = "local"`'))
    return evaluation


def _trackers(table: Mapping[str, Any], mistakes: list[GuerdonError]) -> Sequence[str]:
    """The plugins that are asked to listen; each must be there and have something to listen with."""
    names = table.get("trackers", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        mistakes.append(OptionError("trackers", f"is a list of names, got {names!r}", 'as in `["tensorboard"]`'))
        return ()
    listening = registry.load().listening() if names else []
    for name in names:
        if name not in listening:
            mistakes.append(OptionError("trackers", f"no plugin '{name}' listens", suggestion(name, listening)))
    return tuple(names)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise DataError(str(path), "does not exist", "name a run file") from None
    except UnicodeDecodeError as error:
        raise DataError(str(path), f"is not UTF-8 (byte {error.start})", "save it as UTF-8") from None
    except OSError as error:
        raise DataError(str(path), f"cannot be read: {error.strerror}") from None


def _terms(table: Mapping[str, Any], where: str, mistakes: list[GuerdonError]) -> list[Term]:
    rewards = table.get("rewards")
    if not isinstance(rewards, Mapping) or not rewards:
        what = "there is none" if not rewards else f"is a table of rewards, got {rewards!r}"
        mistakes.append(OptionError(where, what, WRITE_A_REWARD))
        return []
    terms = []
    for name, options in rewards.items():
        term = _term(name, options, f"{where}.{name}", mistakes)
        if term is not None:
            terms.append(term)
    if len(terms) == len(rewards) and all(term.weight == 0 for term in terms):
        mistakes.append(OptionError(where, "every weight is 0, so no rollout gets a total", "give one a weight"))
    return terms


def _term(name: str, options: Any, where: str, mistakes: list[GuerdonError]) -> Term | None:
    before = len(mistakes)
    if not isinstance(options, Mapping):
        mistakes.append(OptionError(where, f"expected a table, got {options!r}", f"write [{where}]"))
        return None
    weight, gate, domains = options.get("weight", 1), options.get("gate", False), options.get("domains")
    mistakes += faults(name, weight, gate, domains)
    own = {key: value for key, value in options.items() if key not in MIXTURE_KEYS or key == "use"}
    try:
        reward = build(Reward, own, where)
    except RunFileError as error:
        mistakes += [_with_mixture_keys(mistake) for mistake in error.mistakes]
        return None
    if len(mistakes) > before:
        return None
    return Term(name, reward, float(weight), gate, domains)


def _with_mixture_keys(mistake: GuerdonError) -> GuerdonError:
    """A misspelt `weight` is reported by the plug, which cannot know it."""
    wrong = mistake.where.rsplit(".", 1)[-1]
    if mistake.what == "no such option" and not mistake.way_out.startswith("did you mean"):
        better = suggestion(wrong, MIXTURE_KEYS)
        if better.startswith("did you mean"):
            return OptionError(mistake.where, mistake.what, better)
    return mistake


def override(table: dict[str, Any], text: str) -> None:
    """Change a table as `dotted.key=value` says; a value that is no TOML is a string. Raises OptionError."""
    path, equals, value = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise OptionError(f"--set {text}", "is not of the form KEY=VALUE", "as in --set rewards.math.weight=2")
    inner: Any = table
    for key in keys[:-1]:
        inner = inner.setdefault(key, {}) if isinstance(inner, dict) else _entry(inner, key)
        if not isinstance(inner, dict | list):
            raise OptionError(f"--set {text}", f"'{key}' is no table")
    if not isinstance(inner, dict):
        raise OptionError(f"--set {text}", f"'{keys[-2]}' is a list", "as in --set stages.rl.trainer.steps=10")
    try:
        parsed = tomllib.loads(f"value = {value}")
        inner[keys[-1]] = parsed["value"] if len(parsed) == 1 else value
    except tomllib.TOMLDecodeError:
        inner[keys[-1]] = value.strip()


def _entry(tables: list[Any], key: str) -> Any:
    """The table of a list that has this name."""
    return next((one for one in tables if isinstance(one, dict) and one.get("name") == key), None)
