"""A run as a trainer would have it, and trackers as core calls them."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest

from guerdon import Mixture, Run, registry
from guerdon.events import Listeners
from guerdon.journal import Journal

CONFIG = """
seed = 3
api_key = "swordfish"

[trainer]
use = "grpo"
steps = 4
max_tokens = 7
judge = { use = "endpoint", token = "swordfish", model = "a model" }
"""

STAGES = """
import json, sys
from pathlib import Path
from guerdon import GuerdonError, Mixture, Run, registry
from guerdon.events import Listeners
from guerdon.journal import Journal

tracker, *stages = json.loads(sys.argv[1])
for stage in stages:
    listeners = Listeners(registry.load().manager)
    journal = Journal(Path("."), "train", listeners, before=stage.get("before", 0), done=stage.get("done", 0))
    run = Run(Path("."), 3, Mixture([]), journal, trackers=(tracker,))
    try:
        listeners.run_started(run)
    except GuerdonError as error:
        sys.exit(f"error: {error}")
    for step, metrics in stage["steps"].items():
        journal.log(int(step), metrics)
    listeners.run_finished(run, RuntimeError(stage["error"]) if "error" in stage else None)
    assert not listeners.silenced
"""


@pytest.fixture
def apart(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs stages of a run in `tmp_path`, in a process of their own: libraries read their settings once in a process.

    A text in place of a tracker and its stages is Python to be run there.
    """
    (tmp_path / "config.toml").write_text(CONFIG)

    def run(*asked, **environment):
        source = asked if len(asked) == 1 else (STAGES, json.dumps(asked))
        return subprocess.run(
            [sys.executable, "-c", *source], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=200,
            env={**os.environ, **environment},
        )  # fmt: skip

    return run


@pytest.fixture
def here(tmp_path: Path) -> Callable[..., object]:
    """Runs a stage of a run in `tmp_path` with a tracker; give it the steps that it takes, and what stops it."""
    (tmp_path / "config.toml").write_text(CONFIG)

    def stage(tracker, steps, *, stage="train", before=0, done=0, error=None):
        listeners = Listeners(registry.load().manager)
        journal = Journal(tmp_path, stage, listeners, before=before, done=done)
        run = Run(tmp_path, 3, Mixture([]), journal, stage=stage, trackers=(tracker,) if tracker else ())
        listeners.run_started(run)
        for step, metrics in steps.items():
            journal.log(step, metrics)
        listeners.run_finished(run, error)
        assert not listeners.silenced

    return stage


@pytest.fixture
def without() -> Callable[..., object]:
    """In it, a library cannot be imported."""

    @contextmanager
    def missing(*modules):
        with pytest.MonkeyPatch.context() as patch:
            for module in modules:
                patch.setitem(sys.modules, module, None)
            yield

    return missing
