"""Whatever a command starts ends with it, and nothing else does."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SUPERVISED = [sys.executable, "-m", "guerdon_openrlhf.supervisor"]
DAEMON = """
import os, sys, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(600)
"""
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))


def start(code, path):
    return subprocess.Popen([*SUPERVISED, sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE)


def written(path: Path) -> int:
    for _ in range(200):
        if path.exists() and path.read_text():
            return int(path.read_text())
        time.sleep(0.05)
    raise AssertionError(f"{path} was never written")


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_exit_code_is_the_commands():
    running = subprocess.Popen([*SUPERVISED, sys.executable, "-c", "raise SystemExit(7)"], stdin=subprocess.PIPE)
    assert running.wait(30) == 7


def test_a_command_that_ends_leaves_no_daemon_behind(tmp_path):
    running = start(DAEMON, tmp_path / "pid")
    assert running.wait(30) == 0
    assert not (tmp_path / "pid").exists() or not lives(written(tmp_path / "pid"))


def test_what_has_gone_into_a_session_of_its_own_is_ended_too(tmp_path):
    begun = f"import subprocess, sys, time; subprocess.run([sys.executable, '-c', {DAEMON!r}, sys.argv[1]])"
    code = f"{begun}; time.sleep(600)"
    running = start(code, tmp_path / "pid")
    pid = written(tmp_path / "pid")
    assert lives(pid)
    running.stdin.close()
    running.wait(30)
    assert not lives(pid)


@pytest.mark.slow
def test_what_ignores_signals_is_killed(tmp_path):
    running = start(STUBBORN, tmp_path / "pid")
    pid = written(tmp_path / "pid")
    running.terminate()
    running.wait(30)
    assert not lives(pid)


def test_the_end_of_whoever_started_it_ends_all_of_it(tmp_path):
    starter = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen({SUPERVISED!r} + [sys.executable, '-c', 'import os, sys, time; "
        "open(sys.argv[1], chr(119)).write(str(os.getpid())); time.sleep(600)', sys.argv[1]], stdin=subprocess.PIPE)\n"
        "time.sleep(600)"
    )
    running = subprocess.Popen([sys.executable, "-c", starter, str(tmp_path / "pid")])
    pid = written(tmp_path / "pid")
    running.kill()
    running.wait()
    for _ in range(300):
        if not lives(pid):
            return
        time.sleep(0.1)
    raise AssertionError("it lives on")


def test_the_supervisors_own_end_ends_the_command(tmp_path):
    running = start(
        "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)", tmp_path / "p"
    )
    pid = written(tmp_path / "p")
    running.kill()
    running.wait()
    for _ in range(100):
        if not lives(pid):
            return
        time.sleep(0.1)
    raise AssertionError("it lives on")


def test_processes_of_others_are_left_alone(tmp_path):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        running = start("import time; time.sleep(600)", tmp_path / "pid")
        time.sleep(0.5)
        running.send_signal(signal.SIGTERM)
        running.wait(30)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()
