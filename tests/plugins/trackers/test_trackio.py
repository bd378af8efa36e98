"""trackio on this machine, read back from its own database."""

import json
from pathlib import Path

import pytest

from guerdon import PluginError

pytestmark = pytest.mark.slow

READ = """
import json
from trackio.sqlite_storage import SQLiteStorage as storage
runs = storage.get_runs("guerdon")
print(json.dumps({
    name: {"logs": storage.get_logs("guerdon", name), "config": storage.get_run_config("guerdon", name),
           "alerts": storage.get_alerts("guerdon", name)}
    for name in runs
}, default=str))
"""


@pytest.fixture
def tracked(apart, tmp_path):
    """Runs stages with trackio; gives what was printed, and every run in its database."""
    ours = {"TRACKIO_DIR": str(tmp_path / "trackio"), "HF_HUB_OFFLINE": "1"}

    def run(*stages):
        ended, read = apart("trackio", *stages, **ours), apart(READ, **ours)
        assert ended.returncode == read.returncode == 0, ended.stderr + read.stderr
        return ended.stdout, json.loads(read.stdout)

    return run


def values(run, name):
    return [(line["step"], line[name]) for line in run["logs"] if name in line]


def test_every_metric_of_every_step_is_there_with_the_run_file_and_no_secret(tracked, tmp_path: Path):
    steps = {0: {"eval/pass@1": 0.5}, 1: {"reward": 0.25, "kl": float("nan")}, 2: {"reward": 0.75}}
    printed, runs = tracked({"steps": steps})
    assert printed == "", "standard output is not a tracker's"
    ((name, run),) = runs.items()
    assert name.startswith(f"{tmp_path.name}-")
    assert values(run, "eval/pass@1") == [(0, 0.5)]
    assert values(run, "reward") == [(1, 0.25), (2, 0.75)]
    assert "swordfish" not in json.dumps(runs)
    assert "a model" in json.dumps(run["config"])


def test_a_later_stage_and_a_resumption_go_on_with_the_run_and_a_new_one_is_another(tracked):
    first, again = {"steps": {1: {"loss": 1}}}, {"steps": {1: {"loss": 4}}}
    _, runs = tracked(
        first, {"steps": {1: {"loss": 2}}, "before": 1}, {"steps": {2: {"loss": 3}}, "before": 1, "done": 1}
    )
    assert [values(run, "loss") for run in runs.values()] == [[(1, 1), (2, 2), (3, 3)]]
    _, runs = tracked(again)
    assert sorted(len(run["logs"]) for run in runs.values()) == [1, 3]


def test_what_stopped_a_run_is_an_alert(tracked):
    _, runs = tracked({"steps": {1: {"loss": 1}}, "error": "out of luck"})
    (run,) = runs.values()
    assert "RuntimeError: out of luck" in json.dumps(run["alerts"])


def test_without_its_library_the_run_does_not_begin(here, without):
    with without("trackio"), pytest.raises(PluginError, match=r"needs trackio.*pip install 'guerdon\[trackers\]'"):
        here("trackio", {1: {"reward": 0.5}})
