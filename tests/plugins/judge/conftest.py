"""Makes `import judge_server` and the samplers' `chat_server` work here, and starts a judge."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "vllm"))
sys.path.insert(0, str(Path(__file__).parent))

from judge_server import JudgeServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[JudgeServer]:
    """A judge who gives every answer 7 of 10 until a test says otherwise, and that nothing needs to be waited for."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("guerdon.endpoints.asking.FIRST_WAIT", 0.01)
    with JudgeServer() as one:
        yield one
