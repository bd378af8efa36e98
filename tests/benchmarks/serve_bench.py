"""What HTTP costs: the rewards of `guerdon serve` beside the same ones in this process, and what dies on the way."""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from corpora import load, math_rollout
from cpu import children, tree_cpu_seconds
from report import Line

from guerdon import Mixture, Rollout, Total, runfile
from guerdon.ledger import total_of, verdict
from guerdon.remote import RemoteMixture, fingerprint
from guerdon.remote.protocol import row_of
from guerdon.scoring import CHUNK_ROLLOUTS

MIX = """
[rewards.format]
use = "think-tags"

[rewards.math]
use = "boxed-math"
"""
CLIENTS, GROUP = 64, 16
"""A group of 16 completions is what DeepSeek-R1 sampled of a question."""
ROUNDS = 5
REQUESTS = 10_000
Verdicts = list[dict[str, Any]]


def serve_lines() -> list[Line]:
    """Throughput, latency and CPU time beside a mixture in this process; then the same while processes are killed."""
    items = [*load("math/dev"), *load("math/adversarial_dev")]
    rollouts = [math_rollout(item) for item in items]
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "mix.toml"
        file.write_text(MIX)
        with runfile.load(file).mixture() as mixture:
            expected = _plain(mixture.submit(rollouts).result())
            with _server(file) as server:
                lines = [*_speed(2 * rollouts, mixture, server), _single(rollouts, server)]
            meant = fingerprint(mixture.terms)
        many = [number % len(rollouts) for number in range(REQUESTS)]
        return [
            *lines,
            _workers_die(file, rollouts, expected, many),
            _servers_die(file, rollouts, expected, many, meant),
        ]


def _speed(rollouts: Sequence[Rollout], mixture: Mixture, server: "_Server") -> list[Line]:
    lines = []
    with RemoteMixture([server.url]) as remote:
        for size, what in ((1, "a rollout"), (GROUP, f"{GROUP} rollouts")):
            lines += _beside(
                f"serve: format + math, {CLIENTS} clients, {what} at a time", rollouts, mixture, remote, size
            )
    begun = time.monotonic()
    _in_chunks(mixture, rollouts)
    pace = len(rollouts) / (time.monotonic() - begun)
    lines.append(Line("the same in process, as `guerdon score` does it", f"{pace:.0f} rollouts/s", "", "", "", None))
    return lines


def _beside(what: str, rollouts: Sequence[Rollout], mixture: Mixture, remote: RemoteMixture, size: int) -> list[Line]:
    """The same clients, here and there by turns."""
    waits: list[float] = []
    paces: dict[str, list[float]] = {"there": [], "here": []}
    costs: dict[str, list[float]] = {"there": [], "here": []}
    _at_once(remote, rollouts, size, [])
    for _ in range(ROUNDS):
        for where, judges, noted in (("here", mixture, []), ("there", remote, waits)):
            cpu, begun = tree_cpu_seconds(), time.monotonic()
            _at_once(judges, rollouts, size, noted)
            paces[where].append(len(rollouts) / (time.monotonic() - begun))
            costs[where].append(1e6 * (tree_cpu_seconds() - cpu) / len(rollouts))
    ratios = [one / other for one, other in zip(paces["there"], paces["here"], strict=True)]
    waits.sort()
    there, here = median(costs["there"]), median(costs["here"])
    waited = f"median {1e3 * median(waits):.0f} ms, p99 {1e3 * waits[len(waits) * 99 // 100]:.0f} ms"
    return [
        Line(
            what,
            f"{median(paces['there']):.0f} rollouts/s; {waited}",
            f"the same clients in process: {median(paces['here']):.0f} rollouts/s",
            f"{median(ratios):.2f} × ({min(ratios):.2f} to {max(ratios):.2f})",
            "≥ 0.7 ×",
            median(ratios) >= 0.7,
        ),
        Line(
            "… CPU time a rollout, clients included",
            f"{there:.0f} µs",
            f"{here:.0f} µs",
            f"{there / here:.2f} ×",
            "",
            None,
        ),
    ]


def _in_chunks(mixture: Mixture, rollouts: Sequence[Rollout]) -> None:
    starts = range(0, len(rollouts), CHUNK_ROLLOUTS)
    for future in [mixture.submit(rollouts[start : start + CHUNK_ROLLOUTS]) for start in starts]:
        future.result()


def _at_once(judges: Mixture | RemoteMixture, rollouts: Sequence[Rollout], size: int, waits: list[float]) -> None:
    """Each client submits so many rollouts at a time, and waits for them."""
    pieces = [rollouts[start : start + size] for start in range(0, len(rollouts), size)]

    async def client(own: Sequence[Sequence[Rollout]]) -> None:
        for piece in own:
            begun = time.monotonic()
            await judges.score(piece)
            waits.append(time.monotonic() - begun)

    async def all_clients() -> None:
        await asyncio.gather(*(client(pieces[number::CLIENTS]) for number in range(CLIENTS)))

    asyncio.run(all_clients())


def _single(rollouts: Sequence[Rollout], server: "_Server") -> Line:
    begun = time.monotonic()
    _, waits = _posted(server.url, rollouts, range(len(rollouts)))
    seconds = time.monotonic() - begun
    waits.sort()
    return Line(
        f"serve: a request for each rollout, {CLIENTS} connections",
        f"{len(rollouts) / seconds:.0f} rollouts/s; median {1e3 * median(waits):.0f} ms, "
        f"p99 {1e3 * waits[len(waits) * 99 // 100]:.0f} ms",
        "",
        "",
        "",
        None,
    )


def _posted(url: str, rollouts: Sequence[Rollout], places: Sequence[int]) -> tuple[dict[int, Any], list[float]]:
    """A request for each of these rollouts, and no second try: what was answered to each, and after how long."""
    import aiohttp

    bodies = [json.dumps({"rollouts": [row_of(rollout, None)]}).encode() for rollout in rollouts]
    answers: dict[int, Any] = {}
    waits: list[float] = []

    async def client(session: aiohttp.ClientSession, own: Sequence[int]) -> None:
        for number in own:
            begun = time.monotonic()
            headers = {"content-type": "application/json"}
            async with session.post(f"{url}/score", data=bodies[places[number]], headers=headers) as answer:
                answers[number] = await answer.json() if answer.status == 200 else None
            waits.append(time.monotonic() - begun)

    async def all_clients() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            numbers = range(len(places))
            await asyncio.gather(*(client(session, numbers[first::CLIENTS]) for first in range(CLIENTS)))

    asyncio.run(all_clients())
    return answers, waits


def _workers_die(file: Path, rollouts: Sequence[Rollout], expected: Verdicts, places: Sequence[int]) -> Line:
    with _server(file) as server, _every(1.0, server.kill_a_worker) as killed:
        answers, _ = _posted(server.url, rollouts, places)
    said = [answers.get(number) for number in range(len(places))]
    plain = [None if one is None else _plain([total_of(one["scores"][0])])[0] for one in said]
    return _survived(f"serve: {len(places):,} requests, a worker killed every second", plain, expected, places, killed)


def _servers_die(
    file: Path, rollouts: Sequence[Rollout], expected: Verdicts, places: Sequence[int], meant: str
) -> Line:
    totals: list[Total | None] = [None] * len(places)

    async def client(remote: RemoteMixture, own: Sequence[int]) -> None:
        for number in own:
            (totals[number],) = await remote.score([rollouts[places[number]]])

    async def all_clients(remote: RemoteMixture) -> None:
        numbers = range(len(places))
        await asyncio.gather(*(client(remote, numbers[first::CLIENTS]) for first in range(CLIENTS)))

    with (
        _server(file) as one,
        _server(file) as other,
        RemoteMixture([one.url, other.url], expect=meant) as remote,
        _every(3.0, one.kill_and_restart) as killed,
    ):
        asyncio.run(all_clients(remote))
    plain = [None if total is None else _plain([total])[0] for total in totals]
    what = f"serve: {len(places):,} rollouts, one of two servers killed after every 3 s and started again"
    return _survived(what, plain, expected, places, killed)


def _survived(
    what: str, said: Sequence[Any], expected: Verdicts, places: Sequence[int], killed: Sequence[object]
) -> Line:
    lost = sum(one is None for one in said)
    wrong = [
        (one, expected[place]) for one, place in zip(said, places, strict=True) if one not in (None, expected[place])
    ]
    for one, other in wrong[:3]:
        print(f"{what}: {one} instead of {other}", file=sys.stderr)
    text = f"{lost} lost, {len(wrong)} wrong; {len(killed)} killed"
    return Line(what, text, "", "", "none lost, none wrong", not lost and not wrong and bool(killed))


def _plain(totals: Sequence[Total]) -> Verdicts:
    """What was said, without the times."""
    plain = [verdict(total) for total in totals]
    for said in plain:
        for term in said["terms"].values():
            del term["seconds"], term["queued_seconds"]
    return plain


@contextmanager
def _every(seconds: float, do: Callable[[], object]) -> Iterator[list[object]]:
    """Do something again and again meanwhile; what it returned is collected."""
    done: list[object] = []
    over = threading.Event()

    def again() -> None:
        while not over.wait(seconds):
            done.append(do())

    thread = threading.Thread(target=again)
    thread.start()
    try:
        yield done
    finally:
        over.set()
        thread.join()


class _Server:
    """`guerdon serve` in a process."""

    def __init__(self, file: Path) -> None:
        self.file = file
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "guerdon", "serve", str(self.file), "--port", str(self.port)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        while "on http://" not in (line := self.process.stderr.readline()):
            assert line, "the server did not start"
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(60)

    def kill_a_worker(self) -> int:
        workers = [pid for launcher in children(self.process.pid) for pid in children(launcher)]
        if workers:
            os.kill(random.choice(workers), signal.SIGKILL)
        return len(workers)

    def kill_and_restart(self) -> None:
        self.process.kill()
        self.process.wait()
        self.start()


@contextmanager
def _server(file: Path) -> Iterator[_Server]:
    server = _Server(file)
    try:
        yield server
    finally:
        server.end()


if __name__ == "__main__":
    from report import table

    print(table(serve_lines()))
