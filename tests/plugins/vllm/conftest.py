"""Makes `import chat_server` work here, and starts one."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from chat_server import ChatServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    """An endpoint that answers honestly until a test says otherwise, and that nothing needs to be waited for."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("guerdon.endpoints.asking.FIRST_WAIT", 0.01)
    with ChatServer() as one:
        yield one
