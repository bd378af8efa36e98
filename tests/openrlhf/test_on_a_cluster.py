"""A Ray cluster that runs already, of one machine: the training is a job of it, and leaves it as it was."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from guerdon import runfile
from guerdon.columns import rollout_of
from guerdon.ledger import Ledger

HERE = Path(__file__).parent
GUERDON = [sys.executable, "-m", "guerdon"]
DASHBOARD = "http://127.0.0.1:8299"


def asked(path):
    with urllib.request.urlopen(f"{DASHBOARD}{path}", timeout=5) as answer:
        return json.load(answer)


@pytest.fixture(scope="module")
def cluster(cpu_environment):
    """`ray start --head`, with one GPU that there seems to be."""
    ray = [
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "start",
        "--head",
        "--block",
        "--num-gpus",
        "1",
        "--num-cpus",
        "6",
    ]
    ports = ["--port", "6399", "--dashboard-port", "8299", "--ray-client-server-port", "20099"]
    environment = {**os.environ, **cpu_environment}
    owner = [sys.executable, "-m", "guerdon_openrlhf.supervisor"]
    with subprocess.Popen([*owner, *ray, *ports], stdin=subprocess.PIPE, env=environment) as running:
        until = time.monotonic() + 120
        while True:
            try:
                asked("/api/version")
                break
            except OSError:
                assert running.poll() is None
                assert time.monotonic() < until
                time.sleep(0.5)
        yield environment
        running.terminate()


def run_file(place, checkpoint, **changed):
    text = (HERE / "resumed.toml").read_text("utf-8").replace("CHECKPOINT", str(checkpoint))
    for old, new in {
        "steps = 4": f'steps = {changed["steps"]}\nray_address = "{DASHBOARD}"',
        **changed.get("more", {}),
    }.items():
        assert old in text
        text = text.replace(old, new, 1)
    (place / "run.toml").write_text(text)


@pytest.fixture
def reward_server(tmp_path, cluster, tiny_qwen):
    """`guerdon serve` with the rewards of the run file, on a port of its own choice; its address."""
    run_file(tmp_path, tiny_qwen, steps=2)
    served = [*GUERDON, "serve", "run.toml", "--port", "0"]
    with subprocess.Popen(served, cwd=tmp_path, env=cluster, stderr=subprocess.PIPE, text=True) as server:
        for line in server.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                break
        yield found[0]
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)


def test_a_stage_is_trained_as_a_job_with_rewards_on_a_server(tmp_path, cluster, tiny_qwen, reward_server):
    run_file(
        tmp_path, tiny_qwen, steps=2, more={"gpus_per_node": f'reward_servers = ["{reward_server}"]\ngpus_per_node'}
    )
    command = [*GUERDON, "train", "run.toml"]
    done = subprocess.run(command, cwd=tmp_path, env=cluster, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "run"
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in metrics] == [1, 2]
    # The log of a job comes in pieces: steps that take less than a second may come at once, with all their rollouts.
    assert {line["rollouts/unscored"] for line in metrics if "rollouts/unscored" in line} == {0}
    jobs = {job["submission_id"]: job["status"] for job in asked("/api/jobs/")}
    assert [status for name, status in jobs.items() if name.startswith("guerdon-")] == ["SUCCEEDED", "SUCCEEDED"]
    rows = list(Ledger(run).read())
    assert len(rows) == 2 * 4 * 4
    with runfile.load(run / "config.toml").mixture() as mixture:
        totals = mixture.submit([rollout_of(row, "ledger")[0] for row in rows]).result()
    assert [(row["score"], row["reason"]) for row in rows] == [(total.value, total.reason) for total in totals]


def test_ctrl_c_ends_the_job_and_not_the_cluster(tmp_path, cluster, tiny_qwen):
    run_file(tmp_path, tiny_qwen, steps=60)
    with (tmp_path / "said").open("w") as said:
        command = [*GUERDON, "train", "run.toml"]
        training = subprocess.Popen(command, cwd=tmp_path, env=cluster, stdout=said, stderr=said)
        until = time.monotonic() + 600
        while not (tmp_path / "run" / "metrics.jsonl").exists():
            assert training.poll() is None, (tmp_path / "said").read_text()
            assert time.monotonic() < until
            time.sleep(0.2)
        training.send_signal(signal.SIGINT)
        assert training.wait(120) == 130
    assert "Go on from the last checkpoint" in (tmp_path / "said").read_text()
    for _ in range(100):
        jobs = {job["submission_id"]: job["status"] for job in asked("/api/jobs/")}
        if "RUNNING" not in jobs.values():
            break
        time.sleep(0.3)
    assert "STOPPED" in jobs.values()
    assert "RUNNING" not in jobs.values()
    assert asked("/api/version")["ray_version"]


def test_too_few_gpus_of_the_cluster_are_counted(tmp_path, cluster, tiny_qwen):
    more = {"gpus_per_node = 1": "gpus_per_node = 4", "batch_size = 4": "batch_size = 16"}
    run_file(tmp_path, tiny_qwen, steps=2, more=more)
    command = [*GUERDON, "train", "run.toml"]
    done = subprocess.run(command, cwd=tmp_path, env=cluster, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert "GPUs: the cluster has 1 GPU, and the stage asks for 4" in done.stderr


def test_a_plugin_that_the_machines_of_the_cluster_lack_is_named(tmp_path, cluster, tiny_qwen):
    run_file(tmp_path, tiny_qwen, steps=2)
    plugin = tmp_path / "plugin"
    (plugin / "only_here-1.dist-info").mkdir(parents=True)
    (plugin / "only_here-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: only-here\nVersion: 1\n")
    (plugin / "only_here-1.dist-info" / "entry_points.txt").write_text("[guerdon]\nonly_here = only_here\n")
    (plugin / "only_here.py").write_text(
        "from guerdon import Verifier, hookimpl\n\n\n"
        "@hookimpl\ndef register_rewards(register):\n    register(OnlyHere)\n\n\n"
        'class OnlyHere(Verifier):\n    """Here only."""\n\n    name = "only-here"\n\n'
        "    def verify(self, rollout):\n        return 1.0\n"
    )
    text = (tmp_path / "run.toml").read_text()
    (tmp_path / "run.toml").write_text(text + '\n[rewards.here]\nuse = "only-here"\n')
    here = {**cluster, "PYTHONPATH": f"{cluster['PYTHONPATH']}:{plugin}"}
    command = [*GUERDON, "train", "run.toml"]
    done = subprocess.run(command, cwd=tmp_path, env=here, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2
    assert "no reward is named 'only-here'" in done.stderr
