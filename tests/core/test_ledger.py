"""What was sampled, scored and paid: in Parquet, complete or not at all."""

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from guerdon import DataError, Outcome, Rollout, Score, Task, TermScore, Total
from guerdon.ledger import Ledger, row
from guerdon.parquet import read_parquet, write_parquet

TEXT = st.text(st.one_of(st.characters(), st.sampled_from('\ud800\udfff\udc80\x00\ufdd0\r\n"\\\u2028')), max_size=20)
"""Lone surrogates, NUL and the ledger's own mark among it."""
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(allow_nan=False), TEXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.lists(st.fixed_dictionaries({"role": TEXT, "content": TEXT}), min_size=1, max_size=2)
TASKS = st.builds(
    Task,
    id=TEXT,
    prompt=TEXT | MESSAGES,
    ground_truth=JSON,
    domain=st.none() | TEXT,
    language=st.none() | TEXT,
    metadata=st.dictionaries(TEXT, JSON, max_size=3),
)
ROLLOUTS = st.builds(Rollout, task=TASKS, completion=TEXT, truncated=st.booleans(), prefill=TEXT)
SCORES = st.builds(
    lambda value, reason, evidence: (
        Score(value, reason, evidence=evidence)
        if value is not None
        else Score(None, reason, Outcome.UNAVAILABLE, evidence)
    ),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
    st.dictionaries(TEXT, JSON, max_size=2),
)
TOTALS = st.builds(
    lambda terms, value, reason: Total(
        value,
        Outcome.SCORED if value is not None else Outcome.UNAVAILABLE,
        reason,
        {n: TermScore(s, 0.5) for n, s in terms.items()},
    ),
    st.dictionaries(TEXT, SCORES, max_size=2),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
)


def apart(value: Any) -> Any:
    """JSON makes one character of two surrogates that form a pair."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
    if isinstance(value, dict):
        return {apart(key): apart(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [apart(inner) for inner in value]
    return value


def scored(number: int) -> tuple[Rollout, Total]:
    total = Total(1.0, Outcome.SCORED, "1 × 1 it", {"it": TermScore(Score(1.0, "right"), 0.5)})
    return Rollout(Task(f"t{number}", "a prompt", number), f"completion {number}"), total


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(st.lists(st.tuples(ROLLOUTS, TOTALS), min_size=1, max_size=5))
def test_what_is_written_is_read_back(tmp_path: Path, pairs: list[tuple[Rollout, Total]]) -> None:
    path = tmp_path / "rows.parquet"
    rows = [row(*pair) for pair in pairs]
    write_parquet(path, rows)
    assert apart([found for _, found in read_parquet(path)]) == apart(rows)


def test_the_ledger_reads_in_the_order_of_the_steps(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    for step in 2, 0, 100_000, 99_999, 10:
        ledger.write(step, *map(list, zip(scored(step), scored(step), strict=True)))
    rows = list(ledger.read())
    assert [one["step"] for one in rows] == [0, 0, 2, 2, 10, 10, 99_999, 99_999, 100_000, 100_000]
    assert rows[0]["terms"]["it"] == {
        "value": 1.0, "reason": "right", "outcome": "scored", "seconds": 0.5, "queued_seconds": 0.0, "evidence": {},
    }  # fmt: skip


def test_anyone_can_read_it(tmp_path: Path) -> None:
    path = Ledger(tmp_path).write(3, *map(list, zip(scored(1), scored(2), strict=True)))
    assert path.parent == tmp_path / "rollouts"
    assert path.name.startswith("step-00003.")
    table = pq.read_table(path)
    assert table["completion"].to_pylist() == ["completion 1", "completion 2"]
    assert table["score"].to_pylist() == [1.0, 1.0]
    assert table["ground_truth"].to_pylist() == ["1", "2"]


def test_several_writers_of_one_directory_lose_nothing(tmp_path: Path) -> None:
    ledgers = [Ledger(tmp_path) for _ in range(4)]

    def write(ledger: Ledger, first: int) -> None:
        for number in range(first, first + 10):
            ledger.write(7, *([one] for one in scored(number)))

    threads = [threading.Thread(target=write, args=(ledgers[i % 4], 10 * i)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one["ground_truth"] for one in Ledger(tmp_path).read()) == list(range(80))


def test_an_interrupted_write_leaves_no_file_that_anybody_reads(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from guerdon import *; from guerdon.ledger import Ledger\n"
        "total = Total(1.0, Outcome.SCORED, 'r', {})\n"
        "rollouts = [Rollout(Task(str(i), 'p'), 'c' * 1000 + str(i)) for i in range(3000)]\n"
        "ledger = Ledger(Path(sys.argv[1]))\n"
        "print('ready', flush=True)\n"
        "step = 0\n"
        "while True:\n"
        "    ledger.write(step, rollouts, [total] * 3000); step += 1\n"
    )
    for delay in 0.1, 0.25, 0.4:
        writer = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
    assert len(list(Ledger(tmp_path).read())) % 3000 == 0


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of our own where we may mount one, else a small limit on the size of files."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)], capture_output=True, check=False
    )
    if mounted.returncode == 0:
        yield tmp_path
        subprocess.run(["umount", str(tmp_path)], check=True)
        return
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
    yield tmp_path
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_is_a_clear_error_and_leaves_nothing(full_disk: Path) -> None:
    ledger = Ledger(full_disk)
    _, total = scored(0)
    rollouts = [Rollout(Task(str(i), "p"), os.urandom(1000).hex()) for i in range(1000)]
    with pytest.raises(DataError) as error:
        ledger.write(0, rollouts, [total] * 1000)
    assert "cannot be written" in str(error.value)
    assert "free some space" in str(error.value)
    assert not [file for file in full_disk.rglob("*") if file.is_file()]
    assert list(ledger.read()) == []


def test_a_directory_that_has_gone_is_a_clear_error(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.directory.rmdir()
    with pytest.raises(DataError, match=r"step-00000.*cannot be written"):
        ledger.write(0, *([one] for one in scored(0)))


def test_a_file_that_is_none_of_ours_is_named(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    (ledger.directory / "step-00001.somebody.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match=r"step-00001\.somebody\.parquet"):
        list(ledger.read())
