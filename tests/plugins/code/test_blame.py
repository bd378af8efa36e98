"""Who is to blame when a sandbox dies under a program."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import ClassVar

import pytest

from guerdon import Limits, Mixture, Outcome, Program, Rollout, Running, SandboxDied, Score, Task, Term
from guerdon_code import UnitTests
from guerdon_process import Process

SUM = {"kind": "stdio", "language": "python", "cases": [{"input": "1 2", "output": "3"}] * 2}
ASSERT = {"kind": "function", "language": "python", "entry_point": "f", "asserts": ["assert f(1) == 1"]}
PROGRAMS = {
    "stdio": "print(sum(map(int, input().split())))  # dangerous",
    "function": "def f(x): return x  # dangerous",
}


class Frail(Process):
    """A sandbox that dies so many times, under programs that say a word."""

    name: ClassVar[str] = "frail"
    word: str = "dangerous"
    deaths: list[int]

    def start(self, program: Program, limits: Limits) -> AbstractAsyncContextManager[Running]:
        """Start a program."""
        return self._start(program, limits)

    @asynccontextmanager
    async def _start(self, program: Program, limits: Limits) -> AsyncIterator[Running]:
        async with super().start(program, limits) as running:
            if self.deaths[0] > 0 and any(self.word.encode() in content for content in program.files.values()):
                self.deaths[0] -= 1
                raise SandboxDied("it fell over")
            yield running


def judged(truth: object, program: str, sandbox: Frail) -> Score:
    with Mixture([Term("code", UnitTests(sandbox=sandbox))]) as mixture:
        (total,) = mixture.submit([Rollout(Task("it", "", truth), program)]).result(timeout=100)
    return total.terms["code"].score


def test_a_program_is_run_again_if_the_sandbox_died() -> None:
    assert judged(SUM, PROGRAMS["stdio"], Frail(deaths=[1])).value == 1


def test_a_program_that_kills_its_sandbox_twice_earns_zero_where_an_honest_one_passes() -> None:
    score = judged(SUM, PROGRAMS["stdio"], Frail(deaths=[99]))
    assert (score.value, score.outcome) == (0, Outcome.SCORED)
    assert score.reason == "the sandbox died twice under this program, and an honest one passes there"


@pytest.mark.parametrize("truth", [SUM, ASSERT], ids=["stdio", "function"])
def test_a_sandbox_that_dies_under_everything_is_nobodys_fault(truth: dict[str, object]) -> None:
    score = judged(truth, PROGRAMS[str(truth["kind"])], Frail(word="", deaths=[99]))
    assert (score.value, score.outcome) == (None, Outcome.UNAVAILABLE)
    assert "the sandbox dies under every program" in score.reason


def test_a_sandbox_without_python_is_nobodys_fault() -> None:
    class Bare(Process):
        name: ClassVar[str] = "bare"

        def start(self, program: Program, limits: Limits) -> AbstractAsyncContextManager[Running]:
            command = ["/bin/false" if part == "python3" else part for part in program.command]
            return super().start(Program(program.files, command), limits)

    score = asyncio.run(_verdict(UnitTests(sandbox=Bare())))
    assert score.outcome is Outcome.UNAVAILABLE


async def _verdict(reward: UnitTests) -> Score:
    async with Mixture([Term("code", reward)]) as mixture:
        (total,) = await mixture.score([Rollout(Task("it", "", ASSERT), PROGRAMS["function"])])
    return total.terms["code"].score


@pytest.mark.parametrize("truth", [SUM, ASSERT], ids=["stdio", "function"])
def test_an_empty_program_is_run_and_earns_nothing(truth: dict[str, object]) -> None:
    score = judged(truth, "```\n\n```", Frail(deaths=[1]))
    assert (score.value, score.reason) == (0, "no code in the answer")
    score = judged(truth, "```\n\n```", Frail(word="", deaths=[99]))
    assert (score.value, score.outcome) == (None, Outcome.UNAVAILABLE)


def test_nothing_can_be_right_and_still_earns_nothing() -> None:
    silent = {"kind": "stdio", "language": "python", "cases": [{"input": "", "output": ""}]}
    assert judged(silent, "```\npass\n```", Frail(deaths=[0])).value == 1
    assert judged(silent, "```\n```", Frail(deaths=[0])).value == 0


def test_a_bug_of_ours_is_no_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("ours")

    monkeypatch.setattr(UnitTests, "_tally", broken)
    for text in (PROGRAMS["stdio"], ""):
        assert judged(SUM, text, Frail(deaths=[0])).value is None
