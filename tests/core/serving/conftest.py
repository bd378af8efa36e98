"""Makes `from servers import serving` work here."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from guerdon import registry

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
servers = importlib.import_module("servers")


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory: Path = tmp_path_factory.mktemp("site")
    servers.distribution(directory)
    return directory


@pytest.fixture
def serve(site: Path) -> Callable[..., AbstractContextManager[Any]]:
    """Starts `guerdon serve` with rewards of the plugin for tests and of ours."""
    return partial(servers.serving, site=site)


@pytest.fixture
def rewards_for_tests(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plugin for tests in this process, too."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setattr(registry, "load", cache(registry.load.__wrapped__))
    yield
    sys.modules.pop("served_rewards", None)


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GUERDON_TOKEN", raising=False)
