"""A plug whose library is not installed says so before anything runs."""

from importlib.util import find_spec
from typing import ClassVar

import pytest

from guerdon import Mixture, PluginError, Rollout, RunFileError, Term, Verifier, registry
from guerdon.options import build
from guerdon.plugs import Reward


class Needy(Verifier):
    """Needs what nobody has."""

    name: ClassVar[str] = "needy"
    needs: ClassVar[dict[str, str]] = {"json": "pip install json", "no_such_module": "pip install 'such[module]'"}

    def verify(self, rollout: Rollout) -> bool:
        return True


def test_a_run_file_that_names_it_is_refused_with_the_command_that_helps(monkeypatch):
    entry = registry.Entry(Needy, "needy", "guerdon-needy")
    monkeypatch.setitem(registry.load().plugs, ("reward", "needy"), entry)
    with pytest.raises(RunFileError, match=r"rewards\.x\.use: 'needy' needs the module no_such_module.*such\[module\]"):
        build(Reward, "needy", "rewards.x")


def test_a_mixture_of_it_does_not_open():
    with pytest.raises(PluginError, match=r"reward 'x': 'needy' needs the module no_such_module"):
        Mixture([Term("x", Needy())]).open()


def test_what_the_plugs_of_ours_need_is_installed_where_the_tests_run():
    needed = {module for entry in registry.load().plugs.values() for module in entry.plug.needs}
    assert {"mpmath", "lingua", "reasoning_gym", "datasets"} <= needed
    # vLLM pins its own torch; `make test-openrlhf` has an environment with it.
    assert all(find_spec(module) for module in needed - {"vllm"})
