"""Programs that want the reward without the work, the machine, or the judge's secrets. All earn 0, and nothing is left.

Every promise of `must_hold` is looked at from outside: at the engine, at the host and at this process. Most promises
are cheap to look at, and so are held to for every attack, whatever its record asks for.
"""

import json
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import docker
import pytest

from guerdon import Mixture, Outcome, Rollout, Score, Task, Term
from guerdon_code import UnitTests

pytestmark = [pytest.mark.slow, pytest.mark.docker]

HERE = Path(__file__).parent
CORPUS = HERE.parents[1] / "corpora" / "code" / "attacks_dev.jsonl"
CANARY = "canary-7f3a9b-of-the-verifier"
MEBIBYTE = 1 << 20

SQUARES = [(3, 14), (10, 385), (0, 0), (25, 5525)]
TESTS: dict[str, dict[str, Any]] = {
    "stdio": {
        "kind": "stdio",
        "cases": [{"input": f"{a} {b}\n", "output": f"{a * a + b * b}\n"} for a, b in ((3, 4), (10, -7), (123, 456))],
    },
    "many": {
        "kind": "stdio",
        "cases": [{"input": f"{a} {a}\n", "output": f"{2 * a * a}\n"} for a in range(1, 8)],
    },
    "door": {"kind": "stdio", "cases": [{"input": "go\n", "output": "PWNED\n"}]},
    "asserts": {
        "kind": "function",
        "entry_point": "solve",
        "setup": "",
        "asserts": [f"assert solve({n}) == {wanted}" for n, wanted in SQUARES],
    },
    "check": {
        "kind": "function",
        "entry_point": "solve",
        "check": "def check(candidate):\n" + "".join(f"    assert candidate({n}) == {w}\n" for n, w in SQUARES),
    },
    "calls": {
        "kind": "function",
        "entry_point": "solve",
        "calls": [{"args": [n], "expected": wanted} for n, wanted in SQUARES],
    },
    "floats": {
        "kind": "function",
        "entry_point": "solve",
        "check": (
            "import math\ndef check(candidate):\n    assert abs(candidate(4) - 2) < 1e-6\n"
            "    assert not abs(candidate(9) - 3) > 1e-6\n    assert math.isclose(candidate(2), 2 ** 0.5)\n"
        ),
    },
    "words": {
        "kind": "function",
        "entry_point": "solve",
        "calls": [
            {"args": [["b", "a", "c"]], "expected": ["a", "b", "c"]},
            {"args": [[]], "expected": []},
            {"args": [["zoo", "ant"]], "expected": ["ant", "zoo"]},
        ],
    },
    "mutable": {
        "kind": "function",
        "entry_point": "solve",
        "setup": "",
        "asserts": ["xs = [3, 1, 2]\nassert solve(xs) == sorted(xs)", "ys = [2, 9]\nassert solve(ys) == [2, 9]"],
    },
    "mapped": {
        "kind": "function",
        "entry_point": "solve",
        "check": (
            "def check(candidate):\n    for got, wanted in zip(map(candidate, [3, 10]), [14, 385]):\n"
            "        assert got == wanted\n    assert all(map(lambda n: candidate(n) == 0, [0]))\n"
        ),
    },
    "unimported": {
        "kind": "function",
        "entry_point": "solve",
        "check": (
            "def check(candidate):\n    assert math.isclose(candidate(2), 2 ** 0.5)\n"
            "    assert math.fabs(candidate(9) - 3) < 1e-6\n"
        ),
    },
    "members": {
        "kind": "function",
        "entry_point": "solve",
        "setup": "",
        "asserts": ["assert 5 in solve(5)", "assert 77 in solve(77)", "assert 'apple' in solve('apple')"],
    },
    "pytest": {
        "kind": "pytest",
        "program_file": "solution.py",
        "cmd": "test_solution.py",
        "files": {
            "test_solution.py": (
                "import pytest\nfrom solution import solve\n\n\n"
                f"@pytest.mark.parametrize('n,want', {SQUARES})\n"
                "def test_solve(n, want):\n    assert solve(n) == want\n\n\n"
                "def test_big():\n    assert solve(100) == 338350\n"
            )
        },
    },
}
PYTHON_SQUARES = "def solve(n):\n    return sum(k * k for k in range(n + 1))\n"
HONEST = {
    "stdio": ("python", "a, b = map(int, input().split())\nprint(a * a + b * b)\n"),
    "calls": ("python", PYTHON_SQUARES),
    "pytest": ("python", PYTHON_SQUARES),
}
PROVEN = {
    "many": ("python", "a, b = map(int, input().split())\nprint(a * a + b * b)\n"),
    "asserts": ("python", PYTHON_SQUARES),
    "check": ("python", PYTHON_SQUARES),
    "floats": ("python", "def solve(x):\n    return x ** 0.5\n"),
    "words": ("python", "def solve(words):\n    return sorted(words)\n"),
    "mapped": ("python", PYTHON_SQUARES),
    "unimported": ("python", "import math\ndef solve(x):\n    return math.sqrt(x)\n"),
    "members": ("python", "def solve(x):\n    return [x]\n"),
    "mutable": ("python", "def solve(xs):\n    return sorted(xs)\n"),
    "door": ("c", '#include <stdio.h>\nint main(void) { puts("PWNED"); return 0; }\n'),
}
"""The other tests can be passed too, or they would prove nothing."""


def own_attacks() -> Iterator[dict[str, Any]]:
    """The records of more_attacks, as the corpora write them."""
    for line in (HERE / "more_attacks" / "red.jsonl").read_text().splitlines():
        yield json.loads(line)
    for file in sorted((HERE / "more_attacks").glob("*.txt")):
        for text in re.split(r"^#### ", file.read_text(), flags=re.MULTILINE)[1:]:
            program, *before = re.split(r"^## before ", text, flags=re.MULTILINE)
            head, _, program = program.partition("\n")
            class_, language, tests, name, *holds = head.split()
            if program.startswith("why: "):
                program = program.partition("\n")[2]
            record = {"id": f"{class_}_{name}", "program": program, "must_hold": ["reward_zero", *holds]}
            yield {**record, **_tested(language, tests), "before": [_before(one) for one in before]}


def _before(text: str) -> dict[str, Any]:
    head, _, program = text.partition("\n")
    tests, language = (*head.split(), "python")[:2]
    return {"program": program, **_tested(language, tests)}


def _tested(language: str, tests: str) -> dict[str, Any]:
    chosen = dict(TESTS[tests])
    return {"kind": chosen.pop("kind"), "language": language, "tests": chosen}


ATTACKS = [json.loads(line) for line in CORPUS.read_text().splitlines()] + list(own_attacks())


def rollout(record: Mapping[str, Any]) -> Rollout:
    """What a model would have answered."""
    truth = {"kind": record["kind"], "language": record["language"], **record["tests"]}
    return Rollout(Task(record["id"], "", truth), f"```{record['language']}\n{record['program']}\n```")


def honest(tests: str) -> Rollout:
    """An honest program for these tests."""
    language, program = {**HONEST, **PROVEN}[tests]
    return rollout({"id": f"honest-{tests}", "program": program, **_tested(language, tests)})


def mixture(size: int) -> Mixture:
    """The reward as a run file would have it: 3 s a case."""
    return Mixture([Term("code", UnitTests(sandbox={"use": "docker", "timeout": 3, "size": size}))])  # type: ignore[arg-type]


def scored(judging: Mixture, *rollouts: Rollout) -> list[Score]:
    """The scores of rollouts that are judged at the same time."""
    return [total.terms["code"].score for total in judging.submit(rollouts).result(timeout=120)]


@pytest.fixture(scope="module", autouse=True)
def canary() -> Iterator[None]:
    os.environ["VERIFIER_CANARY_SECRET"] = CANARY
    yield
    del os.environ["VERIFIER_CANARY_SECRET"]


@pytest.fixture(scope="module")
def alone(canary: None) -> Iterator[Mixture]:
    """A pool of one, in which every program meets what the one before it has left."""
    with mixture(size=1) as judging:
        assert [score.value for score in scored(judging, *map(honest, HONEST))] == [1, 1, 1]
        yield judging


@pytest.fixture(scope="module")
def together(canary: None) -> Iterator[Mixture]:
    with mixture(size=2) as judging:
        yield judging


@pytest.fixture(scope="module")
def empty(alone: Mixture) -> set[str]:
    """The files of containers that nothing has run in but honest programs."""
    return set.union(*(files for _, files in map(inside, containers())))


def containers() -> list[Any]:
    """The containers of this process."""
    client = docker.from_env()
    return client.containers.list(filters={"label": f"guerdon.sandbox={os.getpid()}"}, ignore_removed=True)  # type: ignore[no-any-return]


def inside(container: Any) -> tuple[list[str], set[str]]:
    """The owners of a container's processes, and the files that lie where one could write."""
    find = "find / -xdev -newer /proc/1 ! -type d; find /tmp /dev /run /var/tmp /root /home ! -type d"
    files = container.exec_run(["sh", "-c", find], user="0").output.decode(errors="replace")
    found = {line for line in files.splitlines() if line.startswith("/") and not line.startswith("/dev/pts")}
    return [process[0] for process in container.top()["Processes"]], found


def eventually(true: Callable[[], object], seconds: float) -> bool:
    """Whether something becomes true within this time."""
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def untouched() -> dict[str, object]:
    """Of this machine, what no program may change."""
    places = ("/", "/etc", "/usr/bin", "/usr/local/bin", "/root", "/home", "/dev/shm")
    marks = ("pwned", "PWNED", "guerdon-left", "guerdon-unpickled", "full", "x")
    return {
        "host name": socket.gethostname(),
        "core pattern": Path("/proc/sys/kernel/core_pattern").read_text(),
        "files": {place: sorted(os.listdir(place)) for place in places if os.access(place, os.R_OK)},
        "marks": [mark for mark in marks if os.path.exists(f"/tmp/{mark}")],
    }


class Watch(threading.Thread):
    """The most that was used of this process's memory, and of the machine's memory and disk, while it ran."""

    def __enter__(self) -> "Watch":
        self.over = threading.Event()
        self.before = self.most = self.now()
        self.start()
        self.began = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self.began
        self.over.set()
        self.join()

    def run(self) -> None:
        while not self.over.wait(0.05):
            self.most = tuple(map(max, self.most, self.now()))

    @property
    def more(self) -> tuple[int, ...]:
        """Mebibytes more than at the start: of this process, of the machine's memory, of its disk."""
        return tuple((most - before) // MEBIBYTE for most, before in zip(self.most, self.before, strict=True))

    @staticmethod
    def now() -> tuple[int, ...]:
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        memory = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
        available = int(memory["MemAvailable"].split()[0]) << 10
        return resident, -available, shutil.disk_usage("/").used


def test_all_tests_of_the_attacks_can_be_passed(alone: Mixture) -> None:
    for tests in PROVEN:
        (score,) = scored(alone, honest(tests))
        assert score.value == 1, (tests, score)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack["id"])
def test_an_attack_earns_nothing_and_leaves_nothing(alone: Mixture, empty: set[str], attack: dict[str, Any]) -> None:
    for number, earlier in enumerate(attack.get("before", [])):
        scored(alone, rollout({"id": f"{attack['id']}-before-{number}", **earlier}))
    before = untouched()
    with Watch() as watch:
        (score,) = scored(alone, rollout(attack))

    # reward_zero, verdict_in_15s
    assert (score.value, score.outcome) == (0, Outcome.SCORED), score
    assert watch.seconds < 15
    # verifier_memory_bounded, host_memory_bounded, host_disk_bounded, result_bytes_bounded
    verifier, memory, disk = watch.more
    assert verifier < 200
    assert memory < 2048
    assert disk < 2048
    kept = json.dumps([score.reason, score.evidence], default=str)
    assert len(kept) < MEBIBYTE
    assert len(score.reason) < 2000
    # host_untouched
    assert CANARY not in kept
    assert untouched() == before
    # next_honest_passes, sandbox_still_works, no_protocol_desync
    for tests in HONEST:
        (following,) = scored(alone, honest(tests))
        assert following.value == 1, (tests, following)
    # no_leftover_process, no_leftover_file; one container is for programs and one for judges
    assert eventually(lambda: len(containers()) <= 2, 20)
    for container in containers():
        owners, files = inside(container)
        # Ours: the supervisor, the zygote, and perhaps the box for the next program. Programs are never root.
        assert 2 <= len(owners) <= 3, owners
        assert set(owners) == {"root"}
        assert files <= empty
        host = container.attrs["HostConfig"]
        assert 0 < host["Memory"] == host["MemorySwap"] < 1 << 30


@pytest.mark.parametrize(
    "attack",
    [one for one in ATTACKS if "neighbours_unaffected" in one["must_hold"]],
    ids=lambda attack: attack["id"],
)
def test_neighbours_are_unaffected(together: Mixture, attack: dict[str, Any]) -> None:
    neighbours = [honest(tests) for tests in ("stdio", "calls", "pytest", "stdio") * 3]
    ours, *theirs = scored(together, rollout(attack), *neighbours)
    assert (ours.value, ours.outcome) == (0, Outcome.SCORED), ours
    assert [score.value for score in theirs] == [1] * len(neighbours), theirs
