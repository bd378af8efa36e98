"""Makes `import hostile` work here, and through the hand-over of sys.path in the workers too."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def nothing_is_left() -> Iterator[None]:
    from processes import below, others

    others.clear()
    others.update(below(os.getpid()))
    yield
    assert not below(os.getpid()) - others, "processes are left, or zombies"
