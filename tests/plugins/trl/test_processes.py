"""Reward functions in the processes that TRL may call them in."""

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from tiny_trl import mixture_file, send_what_it_pays

from guerdon.ledger import Ledger
from guerdon_trl import reward_funcs

HERE = Path(__file__).parent
MATH = '[rewards.math]\nuse = "boxed-math"\n'
ASKED: dict[str, Any] = {"prompts": ["p", "p"], "completions": [r"\boxed{2}", "no"], "solution": ["2", "2"]}
ALONE = f"""
import os, sys
from guerdon_trl import reward_funcs
(function,) = reward_funcs(sys.argv[1])
print(function(**{ASKED!r}))
children = [name for name in os.listdir("/proc") if name.isdigit()
            and os.path.exists(f"/proc/{{name}}/stat")
            and open(f"/proc/{{name}}/stat").read().rpartition(")")[2].split()[1] == str(os.getpid())]
print(children)
"""


def test_a_program_that_used_them_ends_in_silence_and_leaves_nothing(tmp_path: Path) -> None:
    path = mixture_file(tmp_path, MATH)
    ended = subprocess.run(
        [sys.executable, "-c", ALONE, str(path)], capture_output=True, check=False, text=True, timeout=60
    )
    said, children = ended.stdout.splitlines()
    assert (ended.returncode, ended.stderr, said) == (0, "", "[1.0, 0.0]")
    assert json.loads(children.replace("'", '"')), "there should have been a fork server"
    assert not [pid for pid in json.loads(children.replace("'", '"')) if os.path.exists(f"/proc/{pid}")]


@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_they_can_be_sent_to_another_process_which_opens_its_own_rewards(tmp_path: Path, method: str) -> None:
    (function,) = reward_funcs(mixture_file(tmp_path, MATH))
    assert function(**ASKED) == [1.0, 0.0]
    context = multiprocessing.get_context(method)
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=send_what_it_pays, args=(function, ASKED, sending))
    child.start()
    assert receiving.poll(60)
    assert receiving.recv() == [1.0, 0.0]
    child.join(30)
    assert child.exitcode == 0
    assert function(**ASKED) == [1.0, 0.0]


def torchrun(directory: Path, batch: int, reward: str) -> "subprocess.CompletedProcess[str]":
    mixture_file(directory, f'[rewards.it]\nuse = "{reward}"\n')
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return subprocess.run(
        [*command, str(HERE / "two_processes.py"), str(directory), str(batch), reward],
        capture_output=True,
        check=False,
        text=True,
        timeout=200,
        env={**os.environ, "PYTHONPATH": str(HERE), "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
@pytest.mark.parametrize(("reward", "batch"), [("share", 2), ("longest", 4)])
def test_two_processes_that_train_together_are_paid_as_one(tmp_path: Path, reward: str, batch: int) -> None:
    """With 2 rows a process, a group of 4 is split between them."""
    ended = torchrun(tmp_path, batch, reward)
    assert ended.returncode == 0, ended.stderr
    facts = json.loads((tmp_path / "facts.json").read_text())
    rows = list(Ledger(tmp_path / "kept").read())
    assert len(rows) == 2 * batch
    assert sorted(facts["totals"]) == pytest.approx(sorted(row["score"] for row in rows), rel=1e-6)
    assert facts["logs"][0]["rewards/it/mean"] == pytest.approx(fmean(row["score"] for row in rows), rel=1e-6)


@pytest.mark.slow
def test_a_reward_of_groups_refuses_a_group_that_is_split_between_processes(tmp_path: Path) -> None:
    ended = torchrun(tmp_path, 2, "longest")
    assert ended.returncode != 0
    assert "rows 0 to 1 of TRL's batch are not the 4 completions of a prompt" in ended.stderr
