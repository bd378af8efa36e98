"""guerdon score --ray: on the nodes of a real Ray, with the same bytes as on one machine, whatever dies on the way."""

import gzip
import http.server
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from guerdon.scoring import CHUNK_ROLLOUTS

from .conftest import Place, distribution
from .test_resume import processes_in

CORPUS = Path(__file__).parents[2] / "corpora" / "outputs" / "math_groups.jsonl.gz"
ROWS = 1300
SCORE = ("score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl")
LENGTH = '[rewards.length]\nuse = "slow"\n'
MATH = """
[rewards.math]
use = "boxed-math"

[rewards.format]
use = "think-tags"
weight = 0.5
"""
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def no_ray_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_ADDRESS", "RAY_ENABLE_UV_RUN_RUNTIME_ENV"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def at(place: Place) -> Place:
    place.write("mix.toml", LENGTH)
    place.rollouts({"prompt": "p", "completion": "x" * (n % 11), "group": n // 5} for n in range(ROWS))
    return place


def ended(process: "subprocess.Popen[str]", within: float = 300) -> "subprocess.CompletedProcess[str]":
    try:
        out, err = process.communicate(timeout=within)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def on_ray(place: Place, *arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    process = ended(place.start(*arguments, "--ray", **environment))
    until(lambda: not [pid for pid in processes_in(place.directory) if scores(int(pid))], 60)
    return process


def complaint(process: "subprocess.CompletedProcess[str]") -> str:
    assert process.returncode == 2, process.stdout + process.stderr
    assert "Traceback" not in process.stderr
    return process.stderr[process.stderr.index("error: ") :]


def lines_of(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def until(condition: Any, within: float = 120) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.05)


def below(pid: int) -> Iterator[int]:
    """The processes that a process has started, and theirs."""
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield int(child)
        try:
            yield from below(int(child))
        except FileNotFoundError:
            pass


def actors(pid: int) -> list[int]:
    """The actors that score, below this process."""
    return [one for one in below(pid) if "MapWorker(MapBatches(Judge))" in command(one)]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def scores(pid: int) -> bool:
    """Whether it runs, and is none of Ray's own agents, which take a minute to notice that they are alone."""
    return command(pid) != "" and "Agent" not in command(pid)


class Cluster:
    """A Ray of several nodes on this machine. Each node's processes have its environment."""

    def __init__(self, *nodes: dict[str, str]) -> None:
        from ray.cluster_utils import Cluster

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        self.nodes = [self.cluster.add_node(num_cpus=1, env_vars=environment) for environment in nodes]

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def kill(self, number: int) -> None:
        self.cluster.remove_node(self.nodes[number], allow_graceful=False)


@pytest.fixture
def cluster(place: Place) -> Iterator[Any]:
    started: list[Cluster] = []

    def start(*nodes: dict[str, str]) -> Cluster:
        path = os.pathsep.join(map(str, place.sites))
        started.append(Cluster(*({"PYTHONPATH": path, **environment} for environment in nodes)))
        return started[0]

    yield start
    for one in started:
        one.cluster.shutdown()


def test_real_completions_get_the_same_bytes_as_on_one_machine_timings_apart(place, without_times):
    place.write("mix.toml", MATH)
    place.write("rollouts.jsonl", gzip.decompress(CORPUS.read_bytes()).decode())
    there = on_ray(place, *SCORE)
    assert there.returncode == 0, there.stderr
    here = place.guerdon("score", "mix.toml", "rollouts.jsonl", "--out", "here.jsonl")
    found, expected = (without_times(place.rows(name)) for name in ("scored.jsonl", "here.jsonl"))
    assert len(found) > 2000
    assert list(map(json.dumps, found)) == list(map(json.dumps, expected))
    assert there.stdout.splitlines()[0] == here.stdout.splitlines()[0]
    assert there.stdout.splitlines()[-2] == here.stdout.splitlines()[-2]  # the groups
    said = [line for line in there.stderr.splitlines() if not line.startswith("scoring: ")]
    assert said == [f"Ray: 1 node with {len(os.sched_getaffinity(0))} CPUs"]
    names = {path.name for path in place.directory.iterdir()}
    assert names == {"mix.toml", "rollouts.jsonl", "scored.jsonl", "here.jsonl"}


def test_groups_are_whole_bad_lines_are_left_out_and_hostile_text_arrives_as_it_was(place, without_times):
    place.write("mix.toml", '[rewards.longest]\nuse = "longest"\n[rewards.echo]\nuse = "echo"\nweight = 0.1\n')
    odd = ["", "\0", "\ud800", "\ud83d", "\u2028", "中", "\\", '"', "x" * 100_000]
    rows = [{"prompt": "p", "group": n % 300, "completion": odd[n // 300 % len(odd)] * (1 + n % 3)} for n in range(900)]
    rows += [{"prompt": "p", "group": f"o{n // 9}", "completion": odd[n % 9], "ground_truth": "x"} for n in range(90)]
    rows[17]["extra"] = [float("inf"), None, {"a": "\udfff"}]
    place.write(
        "rollouts.jsonl", "".join(f"{json.dumps(row)}\n{'no JSON' * (n % 7 == 0)}\n" for n, row in enumerate(rows))
    )
    there = on_ray(place, *SCORE, "--skip-bad-lines", LISTENER=str(place / "heard there"))
    assert there.returncode == 0, there.stderr
    more = ("--out", "here.jsonl", "--skip-bad-lines")
    here = place.guerdon("score", "mix.toml", "rollouts.jsonl", *more, LISTENER=str(place / "heard here"))
    assert here.returncode == 0, here.stderr
    found, expected = (place.rows(name) for name in ("scored.jsonl", "here.jsonl"))
    for row in (*found, *expected):
        del row["terms"]["echo"]["evidence"]["pid"]
    assert list(map(json.dumps, without_times(found))) == list(map(json.dumps, without_times(expected)))
    assert len(found) == len(rows)
    assert "bad lines are left out" in there.stderr
    assert (place / "heard there").read_text() == (place / "heard here").read_text() != ""


@pytest.mark.parametrize("again", ["--ray", "--workers=3"], ids=["with Ray", "without Ray"])
def test_a_driver_that_was_killed_leaves_what_is_scored_and_nothing_that_runs(at, again):
    process = at.start(*SCORE, "--ray", "--workers", "4", SECONDS="0.02")
    until(lambda: lines_of(at / "scored.jsonl") >= CHUNK_ROLLOUTS)
    started = list(below(process.pid))
    assert actors(process.pid)
    process.kill()
    process.communicate(timeout=30)
    kept = lines_of(at / "scored.jsonl")
    assert CHUNK_ROLLOUTS <= kept < ROWS
    until(lambda: not any(map(scores, started)), 60)
    resumed = ended(at.start(*SCORE, "--resume", again))
    assert resumed.returncode == 0, resumed.stderr
    assert re.search(rf"[\d,]+ of {ROWS:,} rollouts are scored already", resumed.stderr)
    assert [row["score"] for row in at.rows("scored.jsonl")] == [n % 11 for n in range(ROWS)]


def test_ctrl_c_says_how_to_go_on_and_ends_what_was_started(at):
    process = at.start(*SCORE, "--ray", "--workers", "4", SECONDS="0.02")
    until(lambda: lines_of(at / "scored.jsonl") >= CHUNK_ROLLOUTS)
    started = list(below(process.pid))
    process.send_signal(signal.SIGINT)
    stopped = ended(process, 60)
    assert stopped.returncode == 130, stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert f"guerdon {' '.join(SCORE)} --ray --workers 4 --resume" in stopped.stderr
    until(lambda: not any(map(scores, started)), 60)
    assert at.guerdon(*SCORE, "--resume").returncode == 0
    assert [row["score"] for row in at.rows("scored.jsonl")] == [n % 11 for n in range(ROWS)]


def test_an_actor_that_is_killed_loses_nothing(at):
    process = at.start(*SCORE, "--ray", "--workers", "4", SECONDS="0.02")
    for count in (CHUNK_ROLLOUTS, ROWS // 3):
        until(lambda count=count: lines_of(at / "scored.jsonl") >= count)
        until(lambda: actors(process.pid))
        for pid in actors(process.pid):
            os.kill(pid, signal.SIGKILL)
    finished = ended(process)
    assert finished.returncode == 0, finished.stderr
    assert [row["score"] for row in at.rows("scored.jsonl")] == [n % 11 for n in range(ROWS)]


def test_a_completion_that_kills_its_actor_every_time_is_an_error_and_not_for_ever(place):
    place.write("mix.toml", '[rewards.one]\nuse = "inline"\n')
    completions = ["right"] * 400 + ["killed"]
    place.rollouts({"prompt": f"{n}", "completion": one, "ground_truth": "x"} for n, one in enumerate(completions))
    said = complaint(on_ray(place, *SCORE))
    assert re.search(r"lines \d+ to \d+: the process that scores was lost 5 times while it had these rollouts", said)
    assert all(row["score"] == 1 for row in place.rows("scored.jsonl"))


def test_a_verifier_that_is_broken_says_the_same_as_on_one_machine(place):
    place.write("mix.toml", '[rewards.one]\nuse = "hostile-canonical"\n')
    truths = ["x"] * 600 + ["broken"] * 300
    place.rollouts({"prompt": f"{n}", "completion": "right", "ground_truth": x} for n, x in enumerate(truths))
    said = complaint_with_traceback(on_ray(place, *SCORE))
    assert "error: reward 'one': failed on" in said
    assert "of the last 20 tasks, and on their controls: KeyError: 'this truth has no key'; mend it and resume" in said
    assert "in verify" in said
    assert "ray" not in said.lower()
    kept = place.rows("scored.jsonl")
    assert len(kept) >= 500
    assert all(row["score"] == 1 for row in kept[:500])


def complaint_with_traceback(process: "subprocess.CompletedProcess[str]") -> str:
    assert process.returncode == 2, process.stdout + process.stderr
    return process.stderr[process.stderr.index("error: ") :]


def test_a_plug_that_cannot_be_opened_is_named_with_its_node(place):
    place.write("mix.toml", '[rewards.one]\nuse = "unopenable"\n')
    place.rollouts([{"prompt": "p", "completion": "x"}])
    process = on_ray(place, *SCORE)
    assert re.search(r"error: node [\d.]+ \(.+\): reward '\w+': cannot be opened", process.stderr), process.stderr
    assert process.returncode == 2


def test_a_node_that_dies_loses_nothing_and_its_work_is_done_by_the_others(at, cluster):
    # So many that most are not even on their way: Ray Data is known to wait for an actor that finds no room.
    many = 6 * ROWS
    at.rollouts({"prompt": "p", "completion": "x" * (n % 11)} for n in range(many))
    ray = cluster({"SECONDS": "0.005"}, {"SECONDS": "0.005"})
    process = at.start(*SCORE, "--ray", ray.address)
    until(lambda: lines_of(at / "scored.jsonl") >= 8 * CHUNK_ROLLOUTS)
    ray.kill(1)
    finished = ended(process)
    assert finished.returncode == 0, finished.stderr
    assert "Ray: 2 nodes with 2 CPUs" in finished.stderr
    assert [row["score"] for row in at.rows("scored.jsonl")] == [n % 11 for n in range(many)]
    # It is not ours, so it goes on without us.
    with socket.create_connection(ray.address.split(":"), 5):
        pass


def test_a_node_without_the_plugin_or_guerdon_or_with_another_version_is_named_before_anything_is_scored(at, cluster):
    bare = at.directory / "bare" / "guerdon"
    bare.mkdir(parents=True)
    (bare / "__init__.py").write_text("raise ModuleNotFoundError(\"No module named 'guerdon'\")")
    at.install("fickle", "fickle", FICKLE)
    at.write("mix.toml", '[rewards.fickle]\nuse = "fickle"\n')
    older = at.directory / "older"
    distribution(older, "fickle", "fickle", FICKLE)
    facts = older / "fickle-1.0.dist-info" / "METADATA"
    facts.write_text(facts.read_text().replace("1.0", "0.9"))
    ray = cluster({}, {"NO_FICKLE": "yes"}, {"PYTHONPATH": str(bare.parent)}, {"PYTHONPATH": str(older)})
    said = complaint(ended(at.start(*SCORE, "--ray", ray.address)))
    assert "nodes: 3 of 4 cannot score with mix.toml" in said
    assert "fickle 1.0: is there in version 0.9, and brings the reward 'fickle'; pip install fickle==1.0" in said
    assert "rewards.fickle.use: no reward is named 'fickle'" in said
    assert "plugin 'fickle' of fickle: cannot be loaded: ImportError: not on this node" in said
    assert "No module named 'guerdon'" in said
    assert len(said.splitlines()) < 12
    assert not (at / "scored.jsonl").exists()


FICKLE = '''
import os
from guerdon import Verifier, hookimpl

if "NO_FICKLE" in os.environ:
    raise ImportError("not on this node")


@hookimpl
def register_rewards(register):
    register(Fickle)


class Fickle(Verifier):
    """Is not everywhere."""

    name = "fickle"

    def verify(self, rollout):
        return 1.0
'''


def test_a_ray_that_cannot_be_reached_is_one_clear_error_within_seconds(at):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody.getsockname()[1]}"
        began = time.monotonic()
        said = complaint(ended(at.start(*SCORE, "--ray", address)))
        assert f"Ray at {address}: cannot be reached: [Errno 111] Connection refused; is the cluster running?" in said
        assert time.monotonic() - began < 30
    for words in ((*SCORE, "--ray"), ("score", "--ray", *SCORE[1:]), ("score", "mix.toml", "--ray", *SCORE[2:])):
        said = complaint(ended(at.start(*words, RAY_ADDRESS=address)))
        assert f"Ray at {address}: cannot be reached" in said
    said = complaint(ended(at.start(*SCORE, "--ray", "ray://somewhere:10001")))
    assert "run guerdon on a node of that cluster" in said


@pytest.mark.parametrize("answers", [True, False], ids=["web server", "silence"])
def test_somebody_else_at_that_port_is_told_from_ray(at, answers):
    if answers:
        server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_port
    else:
        silent = socket.create_server(("127.0.0.1", 0))
        port = silent.getsockname()[1]
    began = time.monotonic()
    said = complaint(ended(at.start(*SCORE, "--ray", f"127.0.0.1:{port}")))
    assert time.monotonic() - began < 30
    assert ("it does not speak gRPC" if answers else "cannot be reached: timed out") in said
    if answers:
        server.shutdown()
        server.server_close()
    else:
        silent.close()


def test_without_ray_installed_it_says_what_to_install(at):
    code = "import sys; sys.modules['ray'] = None; from guerdon.cli import main; main()"
    path = os.pathsep.join(map(str, at.sites))
    said = complaint(
        subprocess.run(
            [sys.executable, "-c", code, *SCORE, "--ray"],
            check=False, capture_output=True, text=True, cwd=at.directory, env={**os.environ, "PYTHONPATH": path},
        )
    )  # fmt: skip
    assert "--ray: needs Ray Data, which cannot be imported" in said
    assert "pip install 'guerdon[ray]'" in said
