"""The plugin as a whole."""

import subprocess
import sys

import guerdon_format
from guerdon import Reward


def test_it_offers_four_rewards_that_run_inline() -> None:
    offered: list[type[Reward]] = []
    guerdon_format.register_rewards(offered.append)
    assert [reward.name for reward in offered] == ["think-tags", "overlong", "repetition", "readability"]
    assert {reward.isolation for reward in offered} == {"inline"}


def test_it_does_not_lean_on_another_plugin() -> None:
    code = "import sys, guerdon_format; print([m for m in sys.modules if m.startswith('guerdon_')])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert "guerdon_language" not in said.stdout
