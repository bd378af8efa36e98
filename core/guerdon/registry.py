"""Who is here: entry points of the group `guerdon` become named plugs."""

import inspect
import re
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from typing import Any, TypeVar, get_args

import pluggy

from guerdon import hookspecs
from guerdon.errors import PluginError, suggestion
from guerdon.plugs import KINDS, Isolation, Plug, Reward

GROUP = "guerdon"
HOOK_OF_KIND = {
    "policy": "register_policies",
    "sampler": "register_samplers",
    "reward": "register_rewards",
    "trainer": "register_trainers",
    "sandbox": "register_sandboxes",
    "tasks": "register_tasks",
}
PAST_TENSE = ("run_started", "rollouts_scored", "step_finished", "run_finished")

AnyPlug = TypeVar("AnyPlug", bound=Plug)


@dataclass(frozen=True)
class Entry:
    """One plug and where it came from."""

    plug: type[Plug]
    plugin: str
    distribution: str


@dataclass(frozen=True)
class Recipe:
    """A run file that a plugin offers to start from."""

    path: Path
    plugin: str
    distribution: str

    @property
    def summary(self) -> str:
        """Its first line, which is a comment that says what it is for."""
        return self.path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ").rstrip()


@dataclass
class Registry:
    """The plugs of every plugin that could be loaded, and what is wrong with the others."""

    plugs: dict[tuple[str, str], Entry] = field(default_factory=dict)
    """By kind and name, as in `("reward", "boxed-math")`."""
    distributions: dict[str, str] = field(default_factory=dict)
    """By plugin, what brought it."""
    recipes: dict[str, Recipe] = field(default_factory=dict)
    """By name, which is the stem of the file."""
    broken: list[PluginError] = field(default_factory=list)
    clashes: dict[tuple[str, str], PluginError] = field(default_factory=dict)
    """Names that two plugs claim; neither can be used."""
    manager: pluggy.PluginManager = field(default_factory=lambda: pluggy.PluginManager(GROUP))
    """For the hooks that say what happened."""

    def find(self, kind: type[AnyPlug], name: str, where: str) -> type[AnyPlug]:
        """The plug class of this kind and name. `where` names the place that asked, for the error."""
        entry = self.plugs.get((kind.kind, name))
        if entry is not None and issubclass(entry.plug, kind):
            return entry.plug
        if (kind.kind, name) in self.clashes:
            raise self.clashes[kind.kind, name]
        names = sorted(n for k, n in self.plugs if k == kind.kind)
        close = get_close_matches(name, names, n=1)
        known = f"did you mean '{close[0]}'?" if close else f"installed: {', '.join(names) or 'none'}"
        also = "; a plugin could not be loaded: see `guerdon plugins`" if self.broken and not close else ""
        raise PluginError(where, f"no {kind.kind} is named '{name}'", known + also)

    def recipe(self, name: str) -> Recipe:
        """The recipe of this name. Raises PluginError."""
        if ("recipe", name) in self.clashes:
            raise self.clashes["recipe", name]
        if name not in self.recipes:
            raise PluginError(name, "no recipe has this name", suggestion(name, sorted(self.recipes)))
        return self.recipes[name]

    def listening(self) -> list[str]:
        """The plugins that hear of what happens in a training."""
        hooks = (getattr(self.manager.hook, name) for name in PAST_TENSE)
        return sorted({listener.plugin_name for hook in hooks for listener in hook.get_hookimpls()})


@cache
def load() -> Registry:
    """Every plugin that is installed. Loaded once in a process."""
    return load_from(distributions())


def load_from(installed: Iterable[Distribution]) -> Registry:
    """The plugins of these distributions. A broken one is noted and the healthy ones are still there."""
    registry = Registry()
    registry.manager.add_hookspecs(hookspecs)
    seen = registry.distributions
    for entry_point, distribution in _entry_points(installed):
        if entry_point.name in seen:
            registry.broken.append(
                PluginError(
                    f"plugin '{entry_point.name}'",
                    f"both {seen[entry_point.name]} and {distribution} bring it, and the second was left out",
                    "uninstall one of the two",
                )
            )
            continue
        seen[entry_point.name] = distribution
        try:
            _add(registry, entry_point, distribution)
        except PluginError as error:
            registry.broken.append(error)
        except (Exception, SystemExit) as error:  # whatever a stranger's module raises, the others must still work
            registry.broken.append(_broken(entry_point, distribution, error))
    return registry


def _entry_points(installed: Iterable[Distribution]) -> list[tuple[EntryPoint, str]]:
    # One distribution can be found twice on sys.path; the first one is the one that imports.
    first: dict[str, Distribution] = {}
    for distribution in installed:
        name = distribution.metadata["Name"]
        if name:
            first.setdefault(name.lower().replace("_", "-"), distribution)
    found = [
        (entry_point, name)
        for name, distribution in first.items()
        for entry_point in distribution.entry_points
        if entry_point.group == GROUP
    ]
    # The order of installation must not matter.
    return sorted(found, key=lambda pair: (pair[1] != "guerdon", pair[1], pair[0].name))


def _add(registry: Registry, entry_point: EntryPoint, distribution: str) -> None:
    plugin = entry_point.load()
    manager = registry.manager
    manager.register(plugin, name=entry_point.name)
    try:
        _check_hooks(manager)
        if not manager.get_hookcallers(plugin):
            raise TypeError("it implements no hook; is an @hookimpl missing?")
        offers = [(kind, plug) for kind, hook in HOOK_OF_KIND.items() for plug in _offered(registry, plugin, hook)]
        entries = [
            (kind, Entry(_checked(plug, kind, entry_point, distribution), entry_point.name, distribution))
            for kind, plug in offers
        ]
        recipes = [
            Recipe(_readable(path, entry_point, distribution), entry_point.name, distribution)
            for path in _offered(registry, plugin, "register_recipes")
        ]
    except BaseException:
        manager.unregister(plugin)
        raise
    for kind, entry in entries:
        key = kind, entry.plug.name
        other = registry.plugs.pop(key, None)
        if key in registry.clashes or other is not None:
            # Neither is used: load order must never decide a reward.
            registry.clashes[key] = _name_clash(kind, entry.plug.name, other or entry, entry)
        else:
            registry.plugs[key] = entry
    for recipe in recipes:
        _add_recipe(registry, recipe)


def _add_recipe(registry: Registry, recipe: Recipe) -> None:
    name = recipe.path.stem
    other = registry.recipes.pop(name, None)
    if ("recipe", name) in registry.clashes or other is not None:
        registry.clashes["recipe", name] = _name_clash("recipe", name, other or recipe, recipe)
    else:
        registry.recipes[name] = recipe


def _readable(path: Any, entry_point: EntryPoint, distribution: str) -> Path:
    where = f"plugin '{entry_point.name}' of {distribution}"
    if not isinstance(path, Path):
        raise PluginError(where, f"{path!r} is no recipe", "register the Path of a run file")
    if not path.is_file():
        raise PluginError(where, f"its recipe {path} does not exist", "is it left out of the wheel?")
    return path


def _check_hooks(manager: pluggy.PluginManager) -> None:
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        hooks = {name: caller for name, caller in vars(manager.hook).items() if not name.startswith("_")}
        known = [name for name, caller in hooks.items() if caller.has_spec()]
        wrong = [name for name, caller in hooks.items() if not caller.has_spec() and caller.get_hookimpls()]
        close = get_close_matches(wrong[0], known, n=1) if wrong else []
        raise TypeError(f"{error}" + (f"; did you mean '{close[0]}'?" if close else "")) from None


def _offered(registry: Registry, plugin: object, hook: str) -> list[Any]:
    offered: list[Any] = []
    for implementation in getattr(registry.manager.hook, hook).get_hookimpls():
        if implementation.plugin is plugin:
            implementation.function(offered.append)
    return offered


def _checked(plug: type[Plug], kind: str, entry_point: EntryPoint, distribution: str) -> type[Plug]:
    where = f"plugin '{entry_point.name}' of {distribution}"
    if not (inspect.isclass(plug) and issubclass(plug, KINDS[kind])):
        raise PluginError(
            where, f"{plug!r} is not a {KINDS[kind].__name__}", f"register a subclass of {KINDS[kind].__name__}"
        )
    if not isinstance(getattr(plug, "name", None), str):
        raise PluginError(
            where, f"{plug.__name__} has no name", f'write `name: ClassVar[str] = "…"` in {plug.__name__}'
        )
    if not re.fullmatch(r"[\w.-]+", plug.name):
        raise PluginError(where, f"{plug.name!r} is no name", "use letters, digits, dots, hyphens and underscores")
    if issubclass(plug, Reward) and plug.isolation not in get_args(Isolation):
        known = ", ".join(get_args(Isolation))
        raise PluginError(where, f"{plug.__name__}.isolation is {plug.isolation!r}", f"it is one of {known}")
    if inspect.isabstract(plug):
        missing = ", ".join(sorted(plug.__abstractmethods__))
        raise PluginError(where, f"{plug.__name__} lacks {missing}", "define it")
    return plug


def _name_clash(kind: str, name: str, one: Entry | Recipe, other: Entry | Recipe) -> PluginError:
    return PluginError(
        f"{kind} '{name}'",
        f"both {one.distribution} (plugin '{one.plugin}') and {other.distribution} (plugin '{other.plugin}') "
        f"bring it, so neither can be used",
        "uninstall one of the two, or ask an author for another name",
    )


def _broken(entry_point: EntryPoint, distribution: str, error: BaseException) -> PluginError:
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        frames.append((error.filename, error.lineno))
    theirs = [frame for frame in frames if not any(part in frame[0] for part in ("importlib", "pluggy", __file__))]
    place = " ({}:{})".format(*theirs[-1]) if theirs else ""
    return PluginError(
        f"plugin '{entry_point.name}' of {distribution}",
        f"cannot be loaded: {type(error).__name__}: {error}{place}",
        f"mend it, or `pip uninstall {distribution}`",
    )
