"""Our sandboxes keep the contract of guerdon.testing, and what breaks it is found out and told what to do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from guerdon import Finished, Limits, Program, Running, SandboxDied
from guerdon.testing import check_sandbox, endings, isolation, limiting, sandboxes, streams
from guerdon_docker import Docker
from guerdon_process import Process


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.parametrize("size", [1, 2])
def test_docker_keeps_every_promise(size: int) -> None:
    kept: list[str] = []
    check_sandbox(Docker(size=size), kept.append)
    assert len(kept) == len(set(kept)) == 28


@pytest.mark.slow
def test_a_plain_process_keeps_the_promises_of_conduct() -> None:
    kept: list[str] = []
    check_sandbox(Process(), kept.append, isolated=False)
    assert len(kept) == 17


@pytest.mark.slow
def test_a_plain_process_is_told_that_it_keeps_nobody_in() -> None:
    with pytest.raises(
        AssertionError, match=r"Process does not keep this promise: A program is not root.*; (give|drop)"
    ):
        check_sandbox(Process())


class Faulty(Process):
    """A plain process with something wrong about it."""

    name: ClassVar[str] = "faulty"

    def alter(self, finished: Finished) -> Finished:
        return finished

    @asynccontextmanager
    async def start(self, program: Program, limits: Limits) -> AsyncIterator[Running]:
        async with super().start(program, limits) as running:
            yield Altered(running, self.alter)


class Altered(Running):
    def __init__(self, running: Running, alter: Callable[[Finished], Finished]) -> None:
        self.running = running
        self.alter = alter
        self.received = b""

    async def send(self, data: bytes) -> None:
        await self.running.send(data)

    async def receive(self) -> bytes:
        data = await self.running.receive()
        self.received += data
        return data

    async def finish(self) -> Finished:
        return self.alter(await self.running.finish())


class Mute(Faulty):
    """Loses standard error."""

    def alter(self, finished: Finished) -> Finished:
        return replace(finished, stderr=b"")


class Textual(Faulty):
    """Takes bytes for text."""

    def alter(self, finished: Finished) -> Finished:
        return replace(finished, stdout=finished.stdout.decode(errors="replace").replace("\r\n", "\n").encode())


class Content(Faulty):
    """Says that all is well."""

    def alter(self, finished: Finished) -> Finished:
        return replace(finished, exit_code=0)


class Shell(Faulty):
    """Tells signals as a shell does."""

    def alter(self, finished: Finished) -> Finished:
        return replace(finished, exit_code=128 + finished.signal, signal=None) if finished.signal else finished


class Repeating(Faulty):
    """Hands over twice what was received."""

    @asynccontextmanager
    async def start(self, program: Program, limits: Limits) -> AsyncIterator[Running]:
        async with Process.start(self, program, limits) as running:
            altered = Altered(running, lambda finished: replace(finished, stdout=altered.received + finished.stdout))
            yield altered


class Silent(Faulty):
    """Ends what goes beyond its limits, and does not say why."""

    def alter(self, finished: Finished) -> Finished:
        return replace(finished, cause=None)


class Strict(Faulty):
    """Takes what may be reached for what is too much."""

    @asynccontextmanager
    async def start(self, program: Program, limits: Limits) -> AsyncIterator[Running]:
        async with Process.start(self, program, replace(limits, output_bytes=limits.output_bytes - 1)) as running:
            yield running


class Cluttered(Faulty):
    """Leaves something of its own in the working directory."""

    @asynccontextmanager
    async def start(self, program: Program, limits: Limits) -> AsyncIterator[Running]:
        program = replace(program, files={**program.files, "wrapper.sh": b"exec true"})
        async with Process.start(self, program, limits) as running:
            yield running


class Leaky(Faulty):
    """Starts programs with the environment of the judge."""

    @asynccontextmanager
    async def start(self, program: Program, limits: Limits) -> AsyncIterator[Running]:
        program = replace(program, command=["env", f"{isolation.SECRET}=x", *program.command])
        async with Process.start(self, program, limits) as running:
            yield running


class Waiting(Faulty):
    """Waits for a program that nobody waits for any more."""

    @asynccontextmanager
    async def start(self, program: Program, limits: Limits) -> AsyncIterator[Running]:
        async with Process.start(self, program, limits) as running:
            try:
                yield running
            finally:
                await asyncio.shield(asyncio.sleep(5))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faulty", "promise", "told"),
    [
        (Mute, streams.streams_are_faithful, "stderr says ''"),
        (Textual, streams.streams_are_faithful, "change nothing: no tty, no text"),
        (Content, streams.streams_are_faithful, "pass exit codes on"),
        (Shell, streams.endings_are_told, "has a signal and no exit code"),
        (Cluttered, streams.files_arrive, "nothing else"),
        (Repeating, streams.input_and_output_go_both_ways, "what was received is gone"),
        (Strict, streams.large_data_goes_both_ways, "the output limit did not end well"),
        (Mute, streams.noise_on_stderr_is_harmless, "keep the last 16384 bytes"),
        (Waiting, endings.leaving_ends_the_program, "do not wait for it"),
        (Silent, limiting.cpu_time_is_limited, "give the cause 'cpu'"),
        (Silent, limiting.time_by_the_clock_is_limited, "give the cause 'wall'"),
        (Silent, limiting.output_is_limited, "give the cause 'output'"),
        (Leaky, isolation.the_judge_is_out_of_sight, "start it with an environment of its own"),
        (Process, isolation.processes_of_others_are_out_of_sight, "give it a pid namespace"),
        (Process, isolation.there_is_no_network, "connects to the machine itself"),
        (Process, isolation.the_kernel_is_kept_small, "ptrace"),
        (Process, isolation.nothing_is_left_behind, "let it end with the program"),
    ],
)
def test_a_broken_promise_is_found_out(faulty: type[Process], promise: Any, told: str) -> None:
    with pytest.raises(AssertionError) as raised:
        asyncio.run(promise(faulty()))
    assert told in str(raised.value)


class Undocumented(Faulty):
    """Has an option without a manual."""

    letters: int = 2


class Dying(Faulty):
    """Dies under everything."""

    @asynccontextmanager
    async def start(self, program: Program, limits: Limits) -> AsyncIterator[Running]:
        raise SandboxDied("it fell over")
        yield


class Hanging(Faulty):
    """Never comes to an end."""

    @asynccontextmanager
    async def start(self, program: Program, limits: Limits) -> AsyncIterator[Running]:
        await asyncio.Event().wait()
        yield None  # type: ignore[misc]


def test_an_option_without_a_manual_is_found_out() -> None:
    with pytest.raises(AssertionError, match=r"Undocumented.letters is not documented"):
        check_sandbox(Undocumented())


def test_a_sandbox_that_dies_under_harmless_programs_is_found_out() -> None:
    with pytest.raises(AssertionError, match=r"Dying died \(it fell over\) under harmless programs"):
        check_sandbox(Dying())


def test_a_sandbox_that_hangs_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandboxes, "PATIENCE", 0.2)
    with pytest.raises(AssertionError, match=r"Hanging hangs .*Wall-clock limits must end everything"):
        check_sandbox(Hanging())
