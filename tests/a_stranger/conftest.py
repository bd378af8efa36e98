"""Makes `import strangers` work here. The strangers' own tests run where the strangers are installed."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from strangers import REPOSITORY, Environment, copied

collect_ignore = ["guerdon-rhyme", "guerdon-best-of", "broken-import", "clashing-name", "misspelt-hook"]


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """guerdon, guerdon-rhyme and guerdon-best-of, all installed as wheels."""
    directory = tmp_path_factory.mktemp("stranger")
    made = Environment(directory / "venv")
    made.install(REPOSITORY, copied("guerdon-rhyme", directory), copied("guerdon-best-of", directory))
    return made
