"""Makes `import tiny_classifier` and the samplers' `chat_server` work here; a model, and a server that holds it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "vllm"))
sys.path.insert(0, str(Path(__file__).parent))

from model_server import ModelServer
from tiny_classifier import TEMPLATE, made


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def talking_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a chat template."""
    return made(tmp_path_factory.mktemp("model"), TEMPLATE)


@pytest.fixture
def server(talking_model: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """One that scores honestly until a test says otherwise, and that nothing needs to be waited for."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("guerdon.endpoints.asking.FIRST_WAIT", 0.01)
    with ModelServer(talking_model) as one:
        yield one
