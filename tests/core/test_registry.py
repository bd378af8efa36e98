"""Who is here: plugins of real distributions, healthy and broken."""

import itertools
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from guerdon import PluginError, Reward, Tasks
from guerdon.registry import Registry, load_from

HEALTHY = """
from guerdon import Verifier, hookimpl

@hookimpl
def register_rewards(register):
    register(It)

class It(Verifier):
    name = "{name}"
    def verify(self, rollout):
        return 1.0
"""


class Installed:
    """Distributions in a directory, as pip would leave them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.distributions: list[Distribution] = []

    def add(self, distribution: str, module: str, source: str | None, *entry_points: str) -> None:
        """A distribution with one module; None for a module that is not there."""
        info = self.directory / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        lines = entry_points or (f"{module} = {module}",)
        (info / "entry_points.txt").write_text("[guerdon]\n" + "\n".join(lines) + "\n")
        if source is not None:
            (self.directory / f"{module}.py").write_text(source)
        self.distributions.append(Distribution.at(info))

    def load(self) -> Registry:
        return load_from(self.distributions)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield Installed(tmp_path)
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def names(registry: Registry) -> set[str]:
    return {name for _, name in registry.plugs}


def only_broken(installed: Installed) -> str:
    """The one thing that is wrong, once a healthy plugin was installed beside it, before or after it by name."""
    installed.add("a-healthy-one", "healthy_a", HEALTHY.format(name="healthy-a"))
    installed.add("z-healthy-one", "healthy_z", HEALTHY.format(name="healthy-z"))
    registry = installed.load()
    assert names(registry) == {"healthy-a", "healthy-z"}
    (broken,) = registry.broken
    return str(broken)


def test_a_plug_is_found_by_its_kind_and_name(installed: Installed) -> None:
    installed.add("some-dist", "some_plugin", HEALTHY.format(name="it"))
    registry = installed.load()
    assert registry.find(Reward, "it", "rewards.x.use").name == "it"
    entry = registry.plugs["reward", "it"]
    assert (entry.plugin, entry.distribution) == ("some_plugin", "some-dist")
    with pytest.raises(PluginError, match=r"rewards\.x\.use: no reward is named 'itt'; did you mean 'it'\?"):
        registry.find(Reward, "itt", "rewards.x.use")
    with pytest.raises(PluginError, match=r"tasks\.use: no tasks is named 'it'; installed: none"):
        registry.find(Tasks, "it", "tasks.use")


def test_of_two_plugs_of_one_name_neither_is_used_and_both_are_named(installed: Installed) -> None:
    installed.add("one-dist", "one", HEALTHY.format(name="it"))
    installed.add("two-dist", "two", HEALTHY.format(name="it"))
    installed.add("three-dist", "three", HEALTHY.format(name="other"))
    said = set()
    for order in itertools.permutations(installed.distributions):
        registry = load_from(order)
        assert names(registry) == {"other"}
        with pytest.raises(PluginError) as error:
            registry.find(Reward, "it", "rewards.x.use")
        assert "one-dist" in str(error.value)
        assert "two-dist" in str(error.value)
        said.add(str(error.value))
    assert len(said) == 1, "the order of installation shows"


def test_a_third_plug_of_that_name_is_not_used_either(installed: Installed) -> None:
    for number in range(3):
        installed.add(f"dist-{number}", f"plugin_{number}", HEALTHY.format(name="it"))
    registry = installed.load()
    assert not registry.plugs
    assert list(registry.clashes) == [("reward", "it")]


def test_of_two_entry_points_of_one_name_both_distributions_are_named(installed: Installed) -> None:
    installed.add("one-dist", "one", HEALTHY.format(name="first"), "same = one")
    installed.add("two-dist", "two", HEALTHY.format(name="second"), "same = two")
    said = set()
    for order in itertools.permutations(installed.distributions):
        (broken,) = load_from(order).broken
        said.add(str(broken))
    (text,) = said
    assert all(word in text for word in ("plugin 'same'", "one-dist", "two-dist", "uninstall one"))


def test_one_distribution_found_twice_is_one(installed: Installed) -> None:
    installed.add("some-dist", "some_plugin", HEALTHY.format(name="it"))
    registry = load_from(installed.distributions * 2)
    assert names(registry) == {"it"}
    assert not registry.broken


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("1 / 0", "ZeroDivisionError"),
        ("def f(:", "SyntaxError"),
        ("raise SystemExit('bye')", "SystemExit: bye"),
        (None, "ModuleNotFoundError"),
    ],
)
def test_a_plugin_that_cannot_be_imported_is_named_with_its_line(
    installed: Installed, source: str | None, says: str
) -> None:
    installed.add("m-broken", "broken", source)
    text = only_broken(installed)
    assert "plugin 'broken' of m-broken: cannot be loaded" in text
    assert says in text
    assert "pip uninstall m-broken" in text
    assert source is None or "def f" in source or "broken.py:1" in text


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("@hookimpl\n", ""), "is an @hookimpl missing?"),
        (("register_rewards(register)", "register_reward(register)"), "register_reward"),
        (("register_rewards(register)", "register_rewards(registry)"), "registry"),
        (('    name = "it"\n', ""), "It has no name"),
        (("def verify", "def verifi"), "It lacks verify"),
        (("register(It)", "register(3)"), "3 is not a Reward"),
        (("register(It)", "register(It())"), "is not a Reward"),
        (("register(It)", "register(dict)"), "is not a Reward"),
        (("register(It)", "register(Nothing)"), "NameError"),
        (
            ("class It(Verifier):", "class It(Verifier):\n    weight: float = 1"),
            "the run file needs this key for itself",
        ),
        (("def register_rewards", "def register_tasks"), "is not a Tasks"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_plugin_that_is_written_wrong_is_told_how(installed: Installed, change: tuple[str, str], says: str) -> None:
    source = HEALTHY.format(name="it")
    assert change[0] in source
    installed.add("m-broken", "broken", source.replace(*change))
    text = only_broken(installed)
    assert says in text
    assert "m-broken" in text


def test_a_broken_plugin_is_mentioned_to_who_asks_for_what_it_may_have_brought(installed: Installed) -> None:
    installed.add("m-broken", "broken", "1 / 0")
    with pytest.raises(PluginError, match=r"no reward is named 'zzz'.*a plugin could not be loaded"):
        installed.load().find(Reward, "zzz", "rewards.x.use")


def test_a_broken_plugin_hears_nothing_of_what_happens(installed: Installed) -> None:
    source = HEALTHY.format(name="it") + "\n@hookimpl\ndef rollouts_scored(step, rollouts, totals): ...\n"
    installed.add("m-broken", "broken", source.replace("register(It)", "register(3)"))
    installed.add("m-odd", "odd", source.replace("rollouts_scored(step", "rollouts_scored(stepp"))
    installed.add("n-healthy", "healthy", source.replace('"it"', '"other"'))
    heard = [one.plugin_name for one in installed.load().manager.hook.rollouts_scored.get_hookimpls()]
    assert heard == ["healthy"]


def test_a_distribution_without_metadata_or_entry_points_harms_nobody(installed: Installed) -> None:
    empty = installed.directory / "empty-1.0.dist-info"
    empty.mkdir()
    installed.distributions.append(Distribution.at(empty))
    installed.add("some-dist", "some_plugin", HEALTHY.format(name="it"))
    assert names(installed.load()) == {"it"}
