"""What a run trains, one after the other: each stage with a trainer, and from an earlier one's weights or its own."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from guerdon.errors import GuerdonError, OptionError, RunFileError, suggestion
from guerdon.options import build
from guerdon.plugs import Plug, Policy, Sampler, Tasks, Trainer
from guerdon.totals import Term

KEYS = ("name", "from", "trainer", "tasks", "policy", "sampler", "rewards")
WRITE_A_REWARD = 'write [rewards.NAME] with `use = "…"`'

Mistakes: TypeAlias = list[GuerdonError]
TermsOf: TypeAlias = Callable[[Mapping[str, Any], str, Mistakes], list[Term]]
AnyPlug = TypeVar("AnyPlug", bound=Plug)


@dataclass(frozen=True)
class Shared:
    """What every stage has that does not bring its own."""

    terms: Sequence[Term]
    tasks: Tasks | None
    policy: Policy | None
    sampler: Sampler | None


@dataclass(frozen=True)
class Stage:
    """One trainer's part of a run. `start` names the earlier stage whose last checkpoint it begins with."""

    name: str
    trainer: Trainer
    start: str | None
    terms: Sequence[Term]
    tasks: Tasks | None
    policy: Policy | None
    sampler: Sampler | None


def stages_of(table: Mapping[str, Any], shared: Shared, terms_of: TermsOf, mistakes: Mistakes) -> list[Stage]:
    """The stages of a run file; every mistake in them is added to `mistakes`."""
    if "stages" not in table:
        trainer = plug_of(Trainer, table, "", mistakes)
        if trainer is None:
            return []
        stage = Stage("train", trainer, None, shared.terms, shared.tasks, shared.policy, shared.sampler)
        mistakes += _lacking(stage, "trainer", table)
        return [stage]
    if "trainer" in table:
        way_out = "move it into the stage that it belongs to: [stages.trainer]"
        mistakes.append(OptionError("trainer", "a file with [[stages]] has no trainer of its own", way_out))
    tables = table["stages"]
    if not isinstance(tables, list) or not tables or not all(isinstance(one, Mapping) for one in tables):
        mistakes.append(OptionError("stages", f"is a list of tables, got {tables!r}", "write [[stages]] for each"))
        return []
    stages: list[Stage] = []
    earlier: list[str] = []
    for one in tables:
        made = _stage(one, earlier, shared, terms_of, mistakes)
        if made is not None:
            stages.append(made)
    return stages


def _stage(
    table: Mapping[str, Any], earlier: list[str], shared: Shared, terms_of: TermsOf, mistakes: Mistakes
) -> Stage | None:
    name, start = table.get("name"), table.get("from")
    where = f"stages.{name}" if isinstance(name, str) else f"stages.{len(earlier)}"
    before = len(mistakes)
    if not isinstance(name, str) or not re.fullmatch(r"[\w-]+", name):
        what = "every stage needs one" if name is None else f"{name!r} is none"
        mistakes.append(OptionError(f"{where}.name", what, "use letters, digits, hyphens and underscores"))
    elif name in earlier:
        mistakes.append(OptionError(f"{where}.name", "an earlier stage has this name", "give it another"))
    for key in table:
        if key not in KEYS:
            mistakes.append(OptionError(f"{where}.{key}", "no such table or key", suggestion(key, KEYS)))
    if start is not None and start not in earlier:
        way_out = suggestion(str(start), earlier) if earlier else "leave it out: this is the first stage"
        mistakes.append(OptionError(f"{where}.from", f"no earlier stage is named {start!r}", way_out))
    earlier.append(str(name))
    trainer = plug_of(Trainer, table, where, mistakes)
    if trainer is None:
        if "trainer" not in table:
            mistakes.append(OptionError(f"{where}.trainer", "there is none", 'as in `trainer = { use = "grpo" }`'))
        return None
    stage = Stage(
        str(name),
        trainer,
        start,
        terms_of(table, f"{where}.rewards", mistakes) if "rewards" in table else shared.terms,
        plug_of(Tasks, table, where, mistakes) or shared.tasks,
        plug_of(Policy, table, where, mistakes) or shared.policy,
        plug_of(Sampler, table, where, mistakes) or shared.sampler,
    )
    if len(mistakes) > before:
        return None
    mistakes += _lacking(stage, where, table)
    return stage


def _lacking(stage: Stage, where: str, table: Mapping[str, Any]) -> list[GuerdonError]:
    has = {"policy": stage.policy, "tasks": stage.tasks, "sampler": stage.sampler, "rewards": stage.terms}
    return [
        OptionError(
            where,
            f"'{stage.trainer.name}' needs [{key}]",
            WRITE_A_REWARD if key == "rewards" else f'write [{key}] with `use = "…"`',
        )
        for key in stage.trainer.requires
        if not has[key] and key not in table
    ]


def plug_of(kind: type[AnyPlug], table: Mapping[str, Any], where: str, mistakes: Mistakes) -> AnyPlug | None:
    """The plug of a table under its kind's name, if it has one; what is wrong with it is added to `mistakes`."""
    options = table.get(kind.kind)
    if options is None:
        return None
    try:
        return build(kind, options, f"{where}.{kind.kind}" if where else kind.kind)
    except RunFileError as error:
        mistakes += error.mistakes
        return None
