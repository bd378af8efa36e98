"""What happens to a batch when containers are killed, engines restarted, and guerdon itself ends. On real ones."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.errors import DockerException

from guerdon import (
    GuerdonError,
    Limits,
    Mixture,
    Outcome,
    Program,
    Rollout,
    SandboxDied,
    Score,
    Task,
    Term,
    Unavailable,
)
from guerdon.plugs import opened
from guerdon_code import UnitTests
from guerdon_docker import Docker

pytestmark = [pytest.mark.slow, pytest.mark.docker]

LIMITS = Limits(cpu_seconds=5, wall_seconds=20, memory_mb=128)
SLOW = "import time\na = int(input())\ntime.sleep(0.2)\nprint(a * a)\n"


def rollouts(number: int, program: str = SLOW) -> list[Rollout]:
    """Programs that must print the square of a number, each of its own."""
    return [
        Rollout(
            Task(
                f"{n}",
                "",
                {"kind": "stdio", "language": "python", "cases": [{"input": f"{n}\n", "output": f"{n * n}\n"}]},
            ),
            program,
        )
        for n in range(number)
    ]


def mixture(**options: Any) -> Mixture:
    sandbox = {"use": "docker", "timeout": 3, "size": 2, "memory_mb": 128, **options}
    return Mixture([Term("code", UnitTests(sandbox=sandbox))])  # type: ignore[arg-type]


def scores(judging: Mixture, batch: list[Rollout]) -> list[Score]:
    return [total.terms["code"].score for total in judging.submit(batch).result(timeout=120)]


def containers(pid: int | None = None, client: Any = None) -> list[Any]:
    """The containers of a process, of this one unless another is named."""
    label = f"guerdon.sandbox={os.getpid() if pid is None else pid}"
    return (client or docker.from_env()).containers.list(filters={"label": label}, ignore_removed=True)  # type: ignore[no-any-return]


async def met(sandbox: Docker, limits: Limits, fate: Callable[[Any], None]) -> None:
    """Let something happen to the container of a program that only waits."""
    async with sandbox.start(Program({}, ["sleep", "15"]), limits) as running:
        await asyncio.sleep(0.3)
        for container in containers():
            fate(container)
        await running.finish()


def eventually(true: Callable[[], object], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_containers_that_are_killed_in_the_middle_of_a_batch_cost_no_verdict() -> None:
    with mixture() as judging:
        scores(judging, rollouts(2))
        first = containers()
        pending = judging.submit(rollouts(60))
        for container in first:
            time.sleep(2)  # time enough for the program that was hit to be judged again
            container.kill()
        verdicts = [total.terms["code"].score for total in pending.result()]
    assert [(score.value, score.outcome) for score in verdicts] == [(1, Outcome.SCORED)] * 60
    assert eventually(lambda: not containers(), 5)


def test_a_program_whose_container_dies_every_time_earns_nothing_as_an_honest_one_lives() -> None:
    """Whoever kills the container here is the test, and takes the program for the culprit."""
    with mixture(size=1) as judging:
        scores(judging, rollouts(1))
        pending = judging.submit(rollouts(1, "import time\nprint(int(input()), flush=True)\ntime.sleep(8)\n"))
        known: set[str] = set()
        for _ in range(2):
            assert eventually(lambda: any(one.id not in known for one in containers()), 10)
            time.sleep(0.7)
            for container in containers():
                if container.id not in known:
                    known.add(container.id)
                    container.kill()
        (score,) = [total.terms["code"].score for total in pending.result(timeout=60)]
        (honest,) = scores(judging, rollouts(1))
    assert (score.value, score.outcome) == (0, Outcome.SCORED), score
    assert "died twice" in score.reason
    assert honest.value == 1


def test_a_container_that_is_killed_is_told_to_whoever_waits() -> None:
    async def body() -> None:
        sandbox = Docker(size=1)
        async with opened(sandbox):
            with pytest.raises(SandboxDied):
                await met(sandbox, LIMITS, lambda container: container.kill())
            async with sandbox.start(Program({}, ["echo", "again"]), LIMITS) as running:
                assert (await running.finish()).stdout == b"again\n"

    asyncio.run(body())


def test_a_container_that_stops_answering_is_replaced() -> None:
    """A frozen container neither ends nor speaks."""

    async def body() -> None:
        sandbox = Docker(size=1)
        async with opened(sandbox):
            limits = Limits(cpu_seconds=1, wall_seconds=1, memory_mb=128)
            started = time.monotonic()
            with pytest.raises(SandboxDied):
                await met(sandbox, limits, lambda container: container.pause())
            assert time.monotonic() - started < 30
            async with sandbox.start(Program({}, ["echo", "again"]), LIMITS) as running:
                assert (await running.finish()).stdout == b"again\n"

    asyncio.run(body())
    assert eventually(lambda: not containers(), 10)


def test_runs_that_are_left_at_once_cost_no_container() -> None:
    async def body() -> None:
        sandbox = Docker(size=1)
        big = Program({"main.py": b"print(1)", "data": bytes(1 << 20)}, ["python3", "main.py"])
        async with opened(sandbox):
            (before,) = [one.id for one in containers()]
            for number in range(300):
                async with sandbox.start(big, LIMITS):
                    await asyncio.sleep(number % 10 / 1000)
            assert [one.id for one in containers()] == [before]

    asyncio.run(body())


def test_a_run_that_waits_when_its_sandbox_is_closed_is_told_and_leaves_nothing() -> None:
    async def body() -> None:
        sandbox = Docker(size=1)

        async def run(command: list[str]) -> None:
            async with sandbox.start(Program({}, command), LIMITS) as running:
                await running.finish()

        await sandbox.open()
        first, second = asyncio.create_task(run(["sleep", "30"])), asyncio.create_task(run(["true"]))
        await asyncio.sleep(0.3)
        await sandbox.close()
        with pytest.raises(SandboxDied):
            await first
        with pytest.raises(GuerdonError, match="was closed before"):
            await second

    asyncio.run(body())
    assert eventually(lambda: not containers(), 10)


def test_a_hundred_megabytes_of_input_arrive() -> None:
    async def body() -> bytes:
        sandbox = Docker(size=1)
        async with opened(sandbox):
            source = "import sys\nprint(sum(map(len, iter(lambda: sys.stdin.buffer.read(1 << 20), b''))))"
            command = ["python3", "-c", source]
            async with sandbox.start(Program({}, command), LIMITS) as running:
                await running.send(bytes(100_000_000))
                return (await running.finish()).stdout

    assert asyncio.run(body()) == b"100000000\n"


def test_containers_are_replaced_after_so_many_runs() -> None:
    async def body() -> set[str]:
        sandbox = Docker(size=1, runs_per_container=3)
        seen = set()
        async with opened(sandbox):
            for _ in range(9):
                async with sandbox.start(Program({}, ["true"]), LIMITS) as running:
                    seen |= {one.id for one in containers()}
                    assert (await running.finish()).exit_code == 0
        return seen

    assert len(asyncio.run(body())) >= 3
    assert eventually(lambda: not containers(), 5)


def test_two_pools_at_once_keep_to_themselves() -> None:
    with mixture(size=1) as one, mixture(size=1, memory_mb=256) as other:
        pending = [judging.submit(rollouts(10)) for judging in (one, other)]
        assert len(containers()) == 2
        for future in pending:
            assert [total.terms["code"].score.value for total in future.result(timeout=60)] == [1] * 10
    assert eventually(lambda: not containers(), 5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_of_a_process_that_was_killed(number: int) -> None:
    source = """
import asyncio
from guerdon import Limits, Program
from guerdon.plugs import opened
from guerdon_docker import Docker

async def body():
    sandbox = Docker(size=2)
    async with opened(sandbox):
        async with sandbox.start(Program({}, ["sleep", "300"]), Limits(5, 300, 128)) as running:
            print("running", flush=True)
            await running.finish()

asyncio.run(body())
"""
    with subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        assert len(containers(process.pid)) == 2
        process.send_signal(number)
        process.wait(timeout=30)
        assert eventually(lambda: not containers(process.pid), 10), "containers outlive the process that made them"


def test_an_image_that_is_not_there_is_told_by_name() -> None:
    with pytest.raises(
        GuerdonError,
        match=r"the image .no-such-image. is not there; `guerdon sandbox build --set image=no-such-image` makes it",
    ):
        mixture(image="no-such-image").open()


def test_no_engine_is_an_error_and_no_bare_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(GuerdonError, match=r"no engine answers at .*none.sock.*DOCKER_HOST"):
        mixture().open()


class Engine:
    """A Docker engine of the test's own, which it may stop and start."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.address = f"unix://{directory}/docker.sock"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                [
                    "dockerd",
                    "--iptables=false",
                    "--bridge=none",
                    f"--data-root={self.directory}/data",
                    f"--exec-root={self.directory}/exec",
                    f"--host={self.address}",
                    f"--pidfile={self.directory}/pid",
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        assert eventually(self.answers, 60), (self.directory / "log").read_text()[-2000:]

    def answers(self) -> bool:
        try:
            client = docker.DockerClient(self.address, timeout=5)
            try:
                return bool(client.ping())
            finally:
                client.close()
        except DockerException:
            return False

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it as a restart does, or as a crash: then what containerd had going goes too."""
        if self.process is not None:
            os.kill(self.process.pid, number) if number == signal.SIGTERM else os.killpg(self.process.pid, number)
            self.process.wait(timeout=60)
            self.process = None
        (self.directory / "pid").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image of the engine that all tests share, as a file."""
    path = tmp_path_factory.mktemp("image") / "image.tar"
    with open(path, "wb") as file:
        for part in docker.from_env().images.get("guerdon-sandbox").save(named=True):
            file.write(part)
    return path


@pytest.fixture
def engine(image: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    # Paths of sockets are short.
    directory = Path("/tmp") / f"guerdon-engine-{os.getpid()}"
    directory.mkdir()
    engine = Engine(directory)
    try:
        engine.start()
        client = docker.DockerClient(engine.address)
        with open(image, "rb") as file:
            client.images.load(file.read())
        client.close()
        monkeypatch.setenv("DOCKER_HOST", engine.address)
        yield engine
    finally:
        engine.stop()
        for line in Path("/proc/mounts").read_text().splitlines()[::-1]:
            if (place := line.split()[1]).startswith(str(directory)):
                subprocess.run(["umount", "-l", place], check=False)
        shutil.rmtree(directory)


def test_an_engine_that_is_restarted_in_the_middle_of_a_batch_costs_no_verdict(engine: Engine) -> None:
    with mixture() as judging:
        scores(judging, rollouts(2))
        pending = judging.submit(rollouts(40))
        time.sleep(1)
        engine.stop()
        assert not engine.answers()
        engine.start()
        verdicts = [total.terms["code"].score for total in pending.result(timeout=120)]
        assert [(score.value, score.outcome) for score in verdicts] == [(1, Outcome.SCORED)] * 40
    assert eventually(lambda: not containers(client=docker.DockerClient(engine.address)), 10)


def test_an_engine_that_stays_away_is_nobodys_fault(engine: Engine) -> None:
    with mixture() as judging:
        scores(judging, rollouts(2))
        pending = judging.submit(rollouts(40, SLOW.replace("0.2", "2")))
        time.sleep(3)
        engine.stop()
        started = time.monotonic()
        verdicts = [total.terms["code"].score for total in pending.result(timeout=100)]
        assert time.monotonic() - started < 100
    assert {(score.value, score.outcome) for score in verdicts} <= {(1, Outcome.SCORED), (None, Outcome.UNAVAILABLE)}
    assert verdicts[-1].outcome == Outcome.UNAVAILABLE
    assert "engine" in verdicts[-1].reason or "container" in verdicts[-1].reason


def test_an_engine_that_stays_away_is_told_in_time(engine: Engine) -> None:
    async def body() -> None:
        sandbox = Docker(size=1)
        async with opened(sandbox):
            await asyncio.to_thread(engine.stop)
            await asyncio.sleep(1)
            started = time.monotonic()
            with pytest.raises(Unavailable):
                async with sandbox.start(Program({}, ["true"]), LIMITS):
                    pass
            assert time.monotonic() - started < 60

    asyncio.run(body())
