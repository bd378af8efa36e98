"""TOML in, a run out: the whole file is checked before anything runs, and every mistake is named."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from guerdon import (
    DataError,
    GuerdonError,
    Limits,
    Program,
    Rollout,
    RunFileError,
    Running,
    Sandbox,
    Verifier,
    registry,
)
from guerdon.options import build
from guerdon.plugs import KINDS, Plug, opened
from guerdon.runfile import RunFile, load


class Box(Sandbox):
    """A sandbox for run files to name."""

    name: ClassVar[str] = "box"
    timeout: int = 10
    inner: Sandbox | None = None

    @asynccontextmanager
    async def start(self, program: Program, limits: Limits) -> AsyncIterator[Running]:
        raise NotImplementedError
        yield


class UnitTests(Verifier):
    """A reward with options of every kind."""

    name: ClassVar[str] = "tests"
    sandbox: Sandbox
    others: Sequence[Sandbox] = ()
    count: int = 1
    tolerance: float = 1e-6
    strict: bool = False
    mode: Literal["fast", "slow"] = "fast"
    path: Path = Path("here")
    words: tuple[str, ...] = ()

    def verify(self, rollout: Rollout) -> float:
        return 1.0


class Plain(Verifier):
    """A reward without options."""

    name: ClassVar[str] = "plain"

    def verify(self, rollout: Rollout) -> float:
        return 1.0


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for plug in Box, UnitTests, Plain:
        entry = registry.Entry(plug, "of-this-test", "no-distribution")
        monkeypatch.setitem(registry.load().plugs, (plug.kind, plug.name), entry)


Read = Callable[..., RunFile]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(text: str | bytes, *overrides: str) -> RunFile:
        path = tmp_path / "mix.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path, overrides)

    return read


def mistakes(read: Read, text: str, *overrides: str) -> list[str]:
    with pytest.raises(RunFileError) as error:
        read(text, *overrides)
    assert str(error.value).startswith(error.value.where)
    assert all(str(one) in str(error.value) for one in error.value.mistakes)
    return [str(one) for one in error.value.mistakes]


PLAIN = '[rewards.it]\nuse = "plain"\n'
TESTS = '[rewards.code]\nuse = "tests"\nsandbox = "box"\n'


def test_a_whole_run_file(read: Read) -> None:
    run = read(
        'seed = 7\ndirectory = "runs/x"\n'
        '[rewards.it]\nuse = "plain"\nweight = 2\ngate = true\n'
        '[rewards.code]\nuse = "tests"\nweight = -0.5\ndomains = ["code", "math"]\ncount = 3\ntolerance = 1\n'
        'path = "there"\nwords = ["a", "b"]\nmode = "slow"\nothers = ["box", {use = "box", timeout = 1}]\n'
        'sandbox = {use = "box", timeout = 20, inner = "box"}\n'
    )
    assert (run.seed, run.directory) == (7, Path("runs/x"))
    it, code = run.terms
    assert (it.name, it.weight, it.gate, it.domains, it.reward) == ("it", 2.0, True, None, Plain())
    assert (code.weight, code.gate, code.domains) == (-0.5, False, ["code", "math"])
    assert code.reward == UnitTests(
        sandbox=Box(timeout=20, inner=Box()),
        others=[Box(), Box(timeout=1)],
        count=3,
        tolerance=1,
        mode="slow",
        path=Path("there"),
        words=("a", "b"),
    )


def test_what_is_left_out_has_a_default(read: Read) -> None:
    run = read(PLAIN)
    assert (run.seed, run.directory) == (0, Path("runs/mix"))
    assert (run.tasks, run.policy, run.sampler, list(run.stages)) == (None, None, None, [])
    assert (run.terms[0].weight, run.terms[0].gate, run.terms[0].domains) == (1.0, False, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('reward = 3\n' + PLAIN, "reward: no such table or key; did you mean 'rewards'?"),
        ('sede = 3\n' + PLAIN, "sede: no such table or key; did you mean 'seed'?"),
        ('seed = "3"\n' + PLAIN, "seed: is a whole number, got '3'"),
        ('seed = true\n' + PLAIN, "seed: is a whole number, got True"),
        ('directory = 3\n' + PLAIN, "directory: is a path, got 3"),
        ("", "rewards: there is none; write [rewards.NAME]"),
        ("rewards = 3", "rewards: is a table of rewards, got 3"),
        ("[rewards]", "rewards: there is none"),
        ("[rewards]\nit = 3", "rewards.it: expected a table, got 3; write [rewards.it]"),
        ("[rewards.it]", "rewards.it.use: says which reward to use; as in `use = "),
        ("[rewards.it]\nuse = 3", "rewards.it.use: says which reward to use"),
        ('[rewards.it]\nuse = "plian"', "rewards.it.use: no reward is named 'plian'; did you mean 'plain'?"),
        ('[rewards.it]\nuse = "box"', "rewards.it.use: no reward is named 'box'"),
        (PLAIN + "weight = nan", "rewards.it.weight: is a finite number, got nan"),
        (PLAIN + "weight = -inf", "rewards.it.weight: is a finite number, got -inf"),
        (PLAIN + 'weight = "x"', "rewards.it.weight: is a number, got 'x'"),
        (PLAIN + "weight = true", "rewards.it.weight: is a number, got True"),
        (PLAIN + "weight = 0", "rewards: every weight is 0"),
        (PLAIN + 'gate = "yes"', "rewards.it.gate: is true or false, got 'yes'"),
        (PLAIN + "gate = 1", "rewards.it.gate: is true or false, got 1"),
        (PLAIN + "domains = []", "rewards.it.domains: is a list of names, got []"),
        (PLAIN + 'domains = "math"', "rewards.it.domains: is a list of names, got 'math'"),
        (PLAIN + 'domains = ["math", 3]', "rewards.it.domains: is a list of names"),
        (PLAIN + 'domains = [""]', "rewards.it.domains: is a list of names"),
        (PLAIN + "wieght = 2", "rewards.it.wieght: no such option; did you mean 'weight'?"),
        (PLAIN + "colour = 2", "rewards.it.colour: no such option; it takes none"),
        (TESTS + "colour = 2", "rewards.code.colour: no such option; known here: sandbox, others, count"),
        (TESTS + "tolerence = 2", "rewards.code.tolerence: no such option; did you mean 'tolerance'?"),
        (TESTS + 'count = "5"', "rewards.code.count: "),
        (TESTS + "count = 1.5", "rewards.code.count: "),
        (TESTS + "count = true", "rewards.code.count: "),
        (TESTS + "tolerance = true", "rewards.code.tolerance: "),
        (TESTS + 'tolerance = "1e-3"', "rewards.code.tolerance: "),
        (TESTS + "strict = 1", "rewards.code.strict: "),
        (TESTS + 'strict = "no"', "rewards.code.strict: "),
        (TESTS + 'mode = "medium"', "rewards.code.mode: input should be 'fast' or 'slow', got 'medium'"),
        (TESTS + "words = [1]", "rewards.code.words.0: "),
        (TESTS + "path = 3", "rewards.code.path: "),
        ('[rewards.code]\nuse = "tests"', "rewards.code.sandbox: is required; see `guerdon show tests`"),
        ('[rewards.code]\nuse = "tests"\nsandbox = 3', "rewards.code.sandbox: expected a name or a table"),
        ('[rewards.code]\nuse = "tests"\nsandbox = "bix"', "rewards.code.sandbox.use: no sandbox is named 'bix'"),
        ('[rewards.code]\nuse = "tests"\nsandbox = {timeout = 3}', "rewards.code.sandbox.use: says which sandbox"),
        (
            '[rewards.code]\nuse = "tests"\nsandbox = {use = "box", tiemout = 3}',
            "rewards.code.sandbox.tiemout: no such option; did you mean 'timeout'?",
        ),
        (
            '[rewards.code]\nuse = "tests"\nsandbox = {use = "box", inner = {use = "box", tiemout = 3}}',
            "rewards.code.sandbox.inner.tiemout: no such option; did you mean 'timeout'?",
        ),
        (TESTS + 'others = ["box", {use = "box", timeout = "3"}]', "rewards.code.others.1.timeout: "),
        ("tasks = 3\n" + PLAIN, "tasks: expected a name or a table with `use`, got 3"),
        ('[tasks]\npath = "x"\n' + PLAIN, "tasks.use: says which tasks to use"),
        ('tasks = "fiel"\n' + PLAIN, "tasks.use: no tasks is named 'fiel'; did you mean 'file'?"),
        ('trainer = "grpo-of-the-future"\n' + PLAIN, "trainer.use: no trainer is named 'grpo-of-the-future'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_path_and_a_way_out(read: Read, text: str, says: str) -> None:
    (found,) = mistakes(read, text)
    assert found.startswith(says)


def test_a_value_of_the_wrong_type_is_shown(read: Read) -> None:
    (found,) = mistakes(read, TESTS + 'count = "5"')
    assert "integer" in found
    assert "got '5'" in found


def test_all_mistakes_at_once_in_the_order_of_the_file(read: Read) -> None:
    found = mistakes(
        read,
        'sede = 1\nseed = "x"\n'
        '[rewards.a]\nuse = "plian"\nweight = "x"\n'
        '[rewards.b]\nuse = "tests"\ngate = 3\nsandbox = {use = "box", tiemout = 1, timeout = "x"}\n'
        'cuont = 2\ncount = "x"\n'
        '[rewards.c]\nuse = "plain"\n'
        '[rewards.d]\n'
        '[tasks]\nuse = "nowhere-to-be-found"\n',
    )  # fmt: skip
    assert [one.partition(":")[0] for one in found] == [
        "sede", "seed", "rewards.a.weight", "rewards.a.use", "rewards.b.gate", "rewards.b.sandbox.timeout",
        "rewards.b.sandbox.tiemout", "rewards.b.count", "rewards.b.cuont", "rewards.d.use", "tasks.use",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"seed = ", "is not TOML: "),
        (b"lang = no", "is not TOML: "),
        (b"seed = 1\nseed = 2", "is not TOML: "),
        (b"\xff\xfe", "is not UTF-8 (byte 0)"),
        (b"# caf\xe9", "is not UTF-8 (byte 5)"),
        (b"\x00", "is not TOML: "),
    ],
)
def test_what_cannot_be_read_is_a_data_error_with_its_path(read: Read, tmp_path: Path, text: bytes, says: str) -> None:
    with pytest.raises(DataError) as error:
        read(text)
    assert str(error.value).startswith(f"{tmp_path / 'mix.toml'}: {says}")


def test_files_that_are_not_there_or_no_files(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.toml: does not exist"):
        load(tmp_path / "nothing.toml")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        load(tmp_path)


def test_a_byte_order_mark_is_no_mistake(read: Read) -> None:
    assert read(b"\xef\xbb\xbf" + PLAIN.encode()).terms


def test_overrides_are_values_of_toml_or_else_strings(read: Read) -> None:
    run = read(
        TESTS, "seed=5", "rewards.code.weight=0.5", "rewards.code.mode=slow", 'rewards.code.words=["a"]',
        "rewards.code.path = a=b", "rewards.new.use=plain", "directory=runs/other",
    )  # fmt: skip
    assert (run.seed, run.directory, run.terms[0].weight) == (5, Path("runs/other"), 0.5)
    reward: Any = run.terms[0].reward
    assert (reward.mode, reward.words, reward.path) == ("slow", ("a",), Path("a=b"))
    assert run.terms[1].reward == Plain()


def test_an_override_reaches_into_nested_tables(read: Read) -> None:
    reward: Any = (
        read('[rewards.code]\nuse = "tests"\nsandbox = {use = "box"}\n', "rewards.code.sandbox.timeout=3")
        .terms[0]
        .reward
    )
    assert reward.sandbox.timeout == 3


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("seed", "--set seed: is not of the form KEY=VALUE"),
        ("=3", "--set =3: is not of the form KEY=VALUE"),
        ("rewards..weight=3", "is not of the form KEY=VALUE"),
        ("rewards.code.sandbox.timeout=3", "'sandbox' is no table"),
        ("seed=x", "seed: is a whole number, got 'x'"),
        ("rewards.code.weight=nan", "rewards.code.weight: is a finite number"),
        ("rewards.code.wieght=1", "rewards.code.wieght: no such option; did you mean 'weight'?"),
        ("rewards.code.count=1.5", "rewards.code.count: "),
        ("rewards.cod.weight=1", "rewards.cod.use: says which reward to use"),
    ],
)
def test_a_bad_override_is_named(read: Read, override: str, says: str) -> None:
    with pytest.raises(GuerdonError) as error:
        read(TESTS, override)
    assert says in str(error.value)


def test_a_plug_may_not_take_a_key_of_the_mixtures() -> None:
    for key in "use", "weight", "gate", "domains":
        with pytest.raises(TypeError, match=rf"Bad\.{key}: the run file needs this key for itself"):
            type("Bad", (Plain,), {"__annotations__": {key: int}, key: 1, "__module__": __name__})


EXAMPLES: dict[tuple[str, str], Sequence[dict[str, Any]]] = {
    ("tasks", "file"): [{"path": "some.jsonl"}],
    ("tasks", "dataset"): [{"path": "some/dataset"}],
    ("tasks", "reasoning-gym"): [{"names": ["basic_arithmetic"]}],
    ("tasks", "r1-zero-template"): [{"tasks": {"use": "file", "path": "some.jsonl"}}],
    ("policy", "checkpoint"): [{"path": "some/model"}],
    ("sampler", "openai"): [{"base_url": "http://host/v1", "model": "some/model"}],
    ("reward", "tests"): [{"sandbox": {"use": "box", "timeout": 3, "inner": "box"}, "others": ["box"], "path": "x"}],
    ("reward", "judge"): [{"judges": [{"base_url": "http://host/v1", "model": "m", "extra_body": {"top_k": 2}}]}],
    ("reward", "judge-pairs"): [{"judges": [{"base_url": "http://host/v1", "model": "m"}], "cache": "x"}],
    ("reward", "overlong"): [{"max_length": 1000, "buffer": 100}],
    ("reward", "preference-model"): [{"model": "some/model", "clip": [-1, 1]}],
    ("reward", "preference-endpoint"): [{"server": {"base_url": "http://host", "model": "some/model"}}],
}


def test_every_installed_plug_survives_the_way_through_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Plug, "check_needs", lambda where: None)  # vllm has an environment of its own
    for (kind, name), entry in registry.load().plugs.items():
        for options in EXAMPLES.get((kind, name), [{}]):
            plug = build(KINDS[kind], {"use": name, **options}, "here")
            plain = json.loads(json.dumps(plug.model_dump(mode="json")))
            assert entry.plug.model_validate_json(json.dumps(plain)) == plug, name
            assert build(KINDS[kind], {"use": name, **plain}, "here") == plug, name
            assert entry.plug.model_validate(plain) == plug, name


def test_plugs_inside_a_plug_are_opened_first_and_closed_last() -> None:
    said: list[str] = []

    class Door(Box):
        label: str = ""

        async def open(self) -> None:
            said.append(f"open {self.label}")

        async def close(self) -> None:
            said.append(f"close {self.label}")

    class House(Plain):
        front: Sandbox
        more: Sequence[Sandbox] = ()

        async def open(self) -> None:
            said.append("open house")

        async def close(self) -> None:
            said.append("close house")

    async def live() -> None:
        async with opened(House(front=Door(label="a", inner=Door(label="b")), more=[Door(label="c")])):
            said.append("live")

    asyncio.run(live())
    assert said == ["open b", "open a", "open c", "open house", "live", "close house", "close c", "close a", "close b"]


def test_a_file_that_is_nested_too_deep_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "mix.toml"
    path.write_text("a = " + "[" * 5000)
    with pytest.raises(DataError, match=r"nested too deep|is not TOML"):
        load(path)


def test_an_override_is_one_value_whatever_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "mix.toml"
    path.write_text('[rewards.x]\nuse = "think-tags"\n')
    with pytest.raises(RunFileError, match=r"rewards\.x\.weight: is a number"):
        load(path, ["rewards.x.weight=1\nseed=3"])
