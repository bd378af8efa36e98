"""The contract of a sandbox."""

import asyncio
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

from guerdon.errors import SandboxDied
from guerdon.plugs import Sandbox, opened
from guerdon.testing import containment, endings, isolation, limiting, streams
from guerdon.testing.describing import check_description, check_round_trip

Promise = Callable[[Sandbox], Awaitable[None]]
"""Harmless programs, and what must be seen of them. The docstring is the promise."""

PATIENCE = 180.0
"""Seconds for one promise, however slow the machine. Only what hangs takes as long."""


def check_sandbox(sandbox: Sandbox, say: Callable[[str], None] = lambda line: None, *, isolated: bool = True) -> None:
    """Check that a sandbox keeps its contract. Opens and closes it, and takes half a minute to a minute.

    - It says what it is: a docstring, a name, and a docstring for each option; its options survive a run file.
    - Programs see what they are given and are told of as they ended, whatever honest thing they do with their streams,
      threads and children.
    - Limits on time and output end a program and nothing else, and the right one is named.
    - Programs are isolated from each other, from the machine, and from the process that judges them, and limits hold a
      program and all that it starts together. `isolated=False` leaves this out, for a plug that says itself that it
      keeps nobody in.

    The programs are harmless, wherever they run. They need `python3` and `sh` in the sandbox. `say` is told each
    promise that was kept; AssertionError says which one was not, and what to do. Raises Unavailable where nothing can
    be started.
    """
    check_description(sandbox)
    check_round_trip(sandbox)
    say("it says what it is, and survives a run file")
    promises: list[Promise] = [*streams.PROMISES, *endings.PROMISES, *limiting.PROMISES]
    if isolated:
        promises += [*isolation.PROMISES, *containment.PROMISES]
    with _secret():
        asyncio.run(_check(sandbox, promises, say))


async def _check(sandbox: Sandbox, promises: Sequence[Promise], say: Callable[[str], None]) -> None:
    async with opened(sandbox):
        for promise in promises:
            began = time.monotonic()
            text = " ".join((promise.__doc__ or "").split()).rstrip(".")
            try:
                async with asyncio.timeout(PATIENCE):
                    await promise(sandbox)
            except AssertionError as error:
                raise AssertionError(f"{type(sandbox).__name__} does not keep this promise: {text}. {error}") from error
            except TimeoutError as error:
                raise AssertionError(
                    f"{type(sandbox).__name__} hangs for {time.monotonic() - began:.0f} s where it should keep this "
                    f"promise: {text}. Wall-clock limits must end everything"
                ) from error
            except SandboxDied as error:
                raise AssertionError(
                    f"{type(sandbox).__name__} died ({error}) under harmless programs where it should keep this "
                    f"promise: {text}. Nothing that a program does may end the sandbox"
                ) from error
            say(text)


@contextmanager
def _secret() -> Iterator[None]:
    """A variable that no program may find: in this environment, and in what /proc shows of a child's."""
    os.environ[isolation.SECRET] = secrets.token_hex()
    # What a process sets itself is not to be seen in its own /proc/PID/environ.
    holder = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        holder.kill()
        holder.communicate()
        del os.environ[isolation.SECRET]
