"""The threat model names the tests that show its promises; all of them exist."""

import fnmatch
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"


def test_every_test_that_the_threat_model_names_exists() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text()
    named = set(re.findall(r"`((?:test|hack|escape|resource|dev)_\w[\w*]*)(?!\.py)`", text))
    files = set(re.findall(r"`(?:[\w/]*/)?(test_\w+\.py)`", text))
    sources = [path.read_text() for path in TESTS.rglob("test_*.py")]
    there = {name for source in sources for name in re.findall(r"^def (test_\w+)", source, re.MULTILINE)}
    for path in (TESTS / "plugins" / "code" / "more_attacks").glob("*.txt"):
        heads = re.findall(r"^#### (\w+) \w+ \w+ (\w+)", path.read_text(), re.MULTILINE)
        there |= {f"{class_}_{name}" for class_, name in heads}
    there |= set(re.findall(r'"id": "(\w+)"', (TESTS / "corpora" / "code" / "attacks_dev.jsonl").read_text()))
    assert len(named) > 40
    assert [name for name in sorted(named) if not fnmatch.filter(there, name)] == []
    assert files <= {path.name for path in TESTS.rglob("test_*.py")}
