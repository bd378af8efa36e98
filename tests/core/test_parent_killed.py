"""What is left when a run is killed with `kill -9`: nothing, within three seconds."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import alive, below, eventually, everyone

SCRIPT = Path(__file__).parent / "parent.py"


@pytest.mark.parametrize("how", ["idle", "busy", "starting", "forked"])
def test_nothing_outlives_a_parent_that_is_killed(how: str) -> None:
    parent = subprocess.Popen([sys.executable, str(SCRIPT), how], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    holder = 0
    try:
        said = [parent.stdout.readline().split() for _ in range(2 if how == "forked" else 1)]
        holder = next((int(words[1]) for words in said if words[0] == "holder"), 0)
        assert eventually(lambda: below(parent.pid) - {holder}, 5)
        tree = below(parent.pid) - {holder}
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        # What was forked while the parent died has no place in `tree`, but bears the parent's pid on its command line.
        assert eventually(lambda: not alive(tree) and not forked_for(parent.pid), 3), alive(tree)
        assert not holder or alive([holder])
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
        if holder:
            os.kill(holder, signal.SIGKILL)


def forked_for(parent: int) -> list[int]:
    """The fork servers and workers of a process, dead or alive."""
    found = []
    for pid in everyone():
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if b"guerdon.forkserver" in words and str(parent).encode() in words:
                found.append(pid)
    return found
