"""The reward for code: the program in a completion, run against the task's own tests."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, ClassVar

from pydantic import Field, PrivateAttr

from guerdon import (
    BadGroundTruth,
    Budget,
    GuerdonError,
    Limits,
    Program,
    Rollout,
    Sandbox,
    SandboxDied,
    Score,
    Unavailable,
    Verifier,
)
from guerdon_code import relay, stdio
from guerdon_code.bundle import compiled
from guerdon_code.control import controlled
from guerdon_code.extraction import program_in
from guerdon_code.languages import BUILT_IN, MOST_BINARY, Language, Source
from guerdon_code.prompt import helpers_in
from guerdon_code.relay import Court
from guerdon_code.tally import Tally, how_it_ended, shortened
from guerdon_code.truth import Truth, checked

_HONEST_PROGRAM = "a, b = map(int, input().split())\nprint(a * b)\n"


class UnitTests(Verifier):
    """Pays 1 for a program that passes all of the task's tests, 0 for any other.

    The program is the last fenced code block of the answer part, or all of it where there is no fence. It runs in the
    sandbox; its tests and what they expect never do. Printed output is compared on the host, token by token. Function
    tests and pytest files run in a judge, in a sandbox of its own, that asks the program for one call after another
    and gets plain values back. What a program was caught cheating at is the reason of its 0, and `evidence.cheat`.

    The ground truth is an object with `kind` (`"stdio"`, `"function"` or `"pytest"`), `language`, and

    - stdio: `cases`, a list of `{"input", "output"}`. Exit status must be 0.
    - function: `entry_point` and one of `asserts` (statements; `setup` runs before the program), `check` (source of
      `check(candidate)`) and `calls` (a list of `{"args", "expected"}`; what is generated is listed first).
    - pytest: `program_file`, `files` (text by name) and `cmd`, what pytest is run on. All must pass, none be skipped.

    Program and tests share no files, no standard input and no patched builtins. What a test passes in is copied; what
    the program does to it is seen only after a call that is a statement of its own, as in `sort(xs)`. Helpers that
    tests use and the prompt defines are the prompt's. Not covered: tests that extend the program's classes, make its
    exceptions themselves, or ask for `type(x)` or the signature of what is the program's.
    """

    name: ClassVar[str] = "unit-tests"
    budget: ClassVar[Budget] = Budget(wall_seconds=3600.0)
    """Only in case that all else fails: the sandbox has the limits, and a task may have a hundred cases."""
    ground_truth_type: ClassVar[Any] = Truth

    sandbox: Sandbox = Field("docker", validate_default=True)
    """Where programs run. Its `timeout` is for each case of stdio tests, and for all calls together of others."""
    partial: bool = False
    """Pay the share of cases passed, for which all are run, up to the fifth that a limit ends.

    Otherwise the first case that fails is the last.
    """
    languages: Mapping[str, Language] = Field(default={})
    """Other languages, by the name that a ground truth gives: see docs/how-to/another-language.md."""

    _live: "_Live | None" = PrivateAttr(default=None)

    def at_once(self) -> int:
        """As many as there are places, so that no judging waits for one when its time has begun."""
        others = [one.sandbox.places for one in self.languages.values() if one.sandbox is not None]
        return max([self.sandbox.places, *others])

    async def open(self) -> None:
        """Open the sandboxes of other languages; core has opened the one of all.

        Raises GuerdonError for a command that is not there, which would be taken for programs that all fail.
        """
        live = _Live()
        async with AsyncExitStack() as failing:
            failing.push_async_callback(live.sandboxes.aclose)
            for name, language in self.languages.items():
                if language.sandbox is not None:
                    await live.enter(language.sandbox)
                await _check_commands(name, language, language.sandbox or self.sandbox)
            failing.pop_all()
        self._live = live

    async def close(self) -> None:
        """Close what `open` and the first function test have opened."""
        if self._live is not None:
            await self._live.sandboxes.aclose()
            self._live = None

    async def verify(self, rollout: Rollout) -> Score:
        """Run the program. Raises BadGroundTruth, and Unavailable where no program can be run."""
        known = {**BUILT_IN, **self.languages}
        truth = checked(rollout.task.ground_truth, known)
        # Known before the program is looked at, so that the control of a judging says the same.
        live = self._live
        assert live is not None, "unit-tests is not open"
        if live.bad and (bad := live.bad.get(_key(truth))):
            raise BadGroundTruth(bad)
        source = Source(program_in(rollout.answer), known[truth["language"]])
        if truth["kind"] == "function":
            source = replace(source, helpers=helpers_in(rollout.task, truth["entry_point"]))
        for _ in range(2):
            try:
                tally = await self._tally(truth, source, live)
            except SandboxDied:
                continue  # nobody knows who did it
            # Judged like any other all the same: an empty completion is the control that shows whether we are broken.
            return tally.score(self.partial) if source.text.strip() else Score(0.0, "no code in the answer")
        if not source.text.strip():
            raise Unavailable("the sandbox dies under an empty program")
        return await self._blamed(source.language)

    async def _tally(self, truth: Truth, source: Source, live: "_Live") -> Tally:
        sandbox = source.language.sandbox or self.sandbox
        if truth["kind"] != "stdio":
            return await self._asked(truth, source, live)
        binary = None
        if (compiling := source.compiling) is not None:
            limits = Limits(sandbox.timeout, 3 * sandbox.timeout, sandbox.memory_mb, MOST_BINARY)
            async with sandbox.start(compiling, limits) as running:
                finished = await running.finish()
            if (why := how_it_ended(finished, limits)) is not None:
                complaint = why if finished.cause is not None else _complaint(finished.stderr)
                return Tally(len(truth["cases"]), 0, 0, f"it does not compile: {complaint}")
            binary = finished.stdout
        return await stdio.tallied(sandbox, source.runnable(binary), truth["cases"], self.partial)

    async def _asked(self, truth: Truth, source: Source, live: "_Live") -> Tally:
        court = await live.court_of(self.sandbox)
        report = await relay.judged(court, _job(truth, source, self.partial), _files(truth))
        if report.bad_tests is not None:
            # A program cannot have broken tests that break without one.
            without = await relay.judged(court, _job(truth, replace(source, text=""), self.partial), _files(truth))
            if without.bad_tests is not None:
                live.bad[_key(truth)] = without.bad_tests
                raise BadGroundTruth(without.bad_tests)
        tally = Tally(report.cases, report.passed, report.case, report.why or "", report.cheat)
        if report.cheat is None and report.decisive and report.passed:
            return await controlled(court, tally, report, partial(_job, truth, source, self.partial), _files(truth))
        return tally

    async def _blamed(self, language: Language) -> Score:
        """Who is to blame for a sandbox that died twice: a program that harms nobody runs there, or it does not."""
        honest = Source(_HONEST_PROGRAM, BUILT_IN["python"])
        try:
            tally = await stdio.tallied(
                language.sandbox or self.sandbox, honest.runnable(None), [{"input": "6 7\n", "output": "42"}], False
            )
        except SandboxDied as error:
            raise Unavailable(f"the sandbox dies under every program: {error}") from error
        if tally.passed == 0:
            raise Unavailable(f"the sandbox cannot run a trivial program: {tally.why}")
        return Score(0.0, "the sandbox died twice under this program, and an honest one passes there")


async def _check_commands(name: str, language: Language, sandbox: Sandbox) -> None:
    for key, command in (("run", language.run), ("compile", language.compile)):
        if command is None or "/" in command[0]:
            continue
        asked = Program({}, ("sh", "-c", 'command -v -- "$0"', command[0]))
        async with sandbox.start(asked, sandbox.limits) as running:
            if (await running.finish()).exit_code != 0:
                what = f"'{command[0]}' is not to be found in the sandbox '{sandbox.name}'"
                raise GuerdonError(f"languages.{name}.{key}", what, "name another command, or another image")


@dataclass
class _Live:
    """What there is while the reward is open."""

    sandboxes: AsyncExitStack = field(default_factory=AsyncExitStack)
    """Those that core does not know of."""
    opening: asyncio.Lock = field(default_factory=asyncio.Lock)
    court: Court | None = None
    bad: dict[str, str] = field(default_factory=dict)
    """What is wrong with ground truths that broke without a program."""

    async def court_of(self, sandbox: Sandbox) -> Court:
        """Where functions are judged; opened for the first. The judges' sandbox is like the one for programs."""
        async with self.opening:
            if self.court is None:
                twin = type(sandbox)(**dict(sandbox))
                await self.enter(twin)
                self.court = Court(sandbox, twin, await compiled(twin))
            return self.court

    async def enter(self, sandbox: Sandbox) -> None:
        """Open a sandbox, to be closed with the reward."""
        await sandbox.open()
        self.sandboxes.push_async_callback(sandbox.close)


def _job(truth: Truth, source: Source, all_cases: bool, perturbed: int | None = None) -> Mapping[str, Any]:
    path = PurePosixPath(truth.get("program_file", "solution.py")).with_suffix("")
    module = ".".join(path.parts).removesuffix(".__init__")
    return {
        "kind": truth["kind"],
        "module": module,
        "source": source.text,
        "helpers": source.helpers,
        "tests": truth,
        "all_cases": all_cases,
        "perturbed": perturbed,
    }


def _key(truth: Truth) -> str:
    return json.dumps(truth, sort_keys=True)


def _files(truth: Truth) -> dict[str, bytes]:
    return {name: text.encode("utf-8", "surrogatepass") for name, text in truth.get("files", {}).items()}


def _complaint(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    errors = [line for line in lines if "error" in line]
    return shortened((errors or lines or ["its compiler says nothing"])[0].strip())
