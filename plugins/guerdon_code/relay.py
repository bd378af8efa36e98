"""Guest and judge in two sandboxes, and this host between them, which reads none of what the guest says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf
from time import monotonic
from typing import Any

from guerdon import Limits, Program, Running, Sandbox
from guerdon_code.bundle import HOME
from guerdon_code.inside.channel import HEAD, LARGEST_MESSAGE
from guerdon_code.inside.link import FROM_GUEST, GUEST_ENDED, TO_GUEST, VERDICT
from guerdon_code.inside.report import Report
from guerdon_code.tally import how_it_ended

_GUEST_OUTPUT = 64 << 20
_JUDGE_OUTPUT = 256 << 20
_JUDGE_CPU = 10.0
_JUDGE_EXTRA = 3.0
"""Seconds that the judge may take by the clock after the guest's time is over."""


class Torn(Exception):
    """What came was no message."""


@dataclass(frozen=True)
class Court:
    """Where programs are judged: a sandbox for them, one for judges with places of its own, and our code for both."""

    guests: Sandbox
    judges: Sandbox
    bundle: Mapping[str, bytes]


async def judged(court: Court, job: Mapping[str, Any], files: Mapping[str, bytes], seconds: float = inf) -> Report:
    """What the judge says of a program. `files` are the judge's; the guest gets the program from the judge.

    `seconds` by the clock are all that it has, where that is less than the sandbox would allow.
    """
    guests, judges = court.guests, court.judges
    wall = min(guests.limits.wall_seconds, seconds)
    guest_limits = replace(guests.limits, wall_seconds=wall, output_bytes=_GUEST_OUTPUT)
    judge_limits = Limits(
        cpu_seconds=max(guests.timeout, _JUDGE_CPU),
        wall_seconds=guest_limits.wall_seconds + _JUDGE_EXTRA,
        memory_mb=judges.memory_mb,
        output_bytes=_JUDGE_OUTPUT,
    )
    # The guest first: there are as many places for judges as for guests, so that who has a guest need not wait.
    async with (
        guests.start(_program("guest", court.bundle, {}), guest_limits) as guest,
        judges.start(_program("judge", court.bundle, files, job["kind"]), judge_limits) as judge,
    ):
        began = monotonic()
        report = await _relayed(_Stream(guest), _Stream(judge), job, guest_limits)
        report.seconds = monotonic() - began
        return report


async def _relayed(guest: "_Stream", judge: "_Stream", job: Mapping[str, Any], limits: Limits) -> Report:
    cut = False
    await judge.send(json.dumps(job).encode())
    while (message := await judge.receive()) is not None:
        kind, rest = message[:1], message[1:]
        if kind == VERDICT:
            return replace(Report(**json.loads(rest)), cut=cut)
        assert kind == TO_GUEST
        await guest.send(rest)
        try:
            reply = await guest.receive()
        except Torn as error:
            return Report(cheat=f"what the program's process wrote to our channel is no message: {error}")
        if reply is None:
            finished = await guest.running.finish()
            cut = finished.cause is not None
            why = how_it_ended(finished, limits) or "the program ended its own process, with status 0"
            await judge.send(GUEST_ENDED + why.encode())
        elif guest.buffer:
            return Report(cheat="the program's process wrote to our channel what nobody had asked for")
        else:
            await judge.send(FROM_GUEST + reply)
    finished = await judge.running.finish()
    if finished.cause is not None:
        return Report(cases=1, case=0, why="reading or comparing the program's values took too long or too much memory")
    said = finished.stderr.decode("utf-8", "replace")[-2000:]
    raise RuntimeError(f"the judge ended without a verdict ({finished.exit_code}, {finished.signal}): {said}")


class _Stream:
    """Messages over the standard streams of a running program."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.buffer = bytearray()

    async def send(self, message: bytes) -> None:
        await self.running.send(HEAD.pack(len(message)) + message)

    async def receive(self) -> bytes | None:
        """The next message; None at the end. Raises Torn for what is none."""
        while True:
            if len(self.buffer) >= HEAD.size:
                (size,) = HEAD.unpack_from(self.buffer)
                if size > LARGEST_MESSAGE + 1:
                    raise Torn(f"it would be {size} bytes long")
                if len(self.buffer) >= HEAD.size + size:
                    message = bytes(self.buffer[HEAD.size : HEAD.size + size])
                    del self.buffer[: HEAD.size + size]
                    return message
            more = await self.running.receive()
            if not more:
                if self.buffer:
                    raise Torn("it ends too early")
                return None
            self.buffer += more


def _program(name: str, bundle: Mapping[str, bytes], files: Mapping[str, bytes], *arguments: str) -> Program:
    start = f"from guerdon_code.inside import {name}\n\n{name}.main()\n".encode()
    script = f"{HOME}/{name}.py"
    return Program({**files, **bundle, script: start}, ("python3", script, *arguments))
