"""A process with a mixture, to be killed. `python parent.py HOW`: "busy", "idle", "starting" or "forked"."""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import hostile

from guerdon import Mixture, Rollout, Task, Term

TASK = Task("t", "p", "fine")


def main(how: str) -> None:
    mixture = Mixture([Term("it", hostile.Hostile())], workers=2).open()
    if how != "starting":
        mixture.submit([Rollout(replace(TASK), word) for word in ["daemon"] * 2 + ["right"] * 50]).result(timeout=60)
    if how in ("busy", "starting"):
        mixture.submit([Rollout(replace(TASK), word) for word in ("masked", "hang", "sleep", "child") * 10])
    if how == "forked" and os.fork() == 0:
        os.write(1, f"holder {os.getpid()}\n".encode())  # at once, beside the other who prints
        time.sleep(60)
        os._exit(0)
    if how == "busy":
        time.sleep(0.3)
    os.write(1, b"ready\n")
    time.sleep(60)


if __name__ == "__main__":
    main(sys.argv[1])
