"""Evidence that what the program's objects say of each other does not depend on what they are."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import SystemRandom
from typing import Any

from guerdon_code import relay
from guerdon_code.inside.report import Report
from guerdon_code.relay import Court
from guerdon_code.tally import Tally

_PERTURBED, _UNCHANGED = 3, 2
_ALL_TIME = 4.0
"""Timeouts of the sandbox that a run and its controls may take together, by the clock."""


async def controlled(
    court: Court,
    tally: Tally,
    report: Report,
    job: Callable[[int | None], Mapping[str, Any]],
    files: Mapping[str, bytes],
) -> Tally:
    """The tally, unless the tests also pass where one of the objects would have been made from other values.

    Each control is a run in a process that knows of no other. Once in a while other values make the same, so two of
    three must have passed; and where nothing is changed they must pass again, or chance would do. One that a limit has
    ended says nothing: a program may spend its time as it likes.
    """
    random, passed, failed, spent = SystemRandom(), 0, 0, report.seconds
    runs = [None] * _UNCHANGED + [random.choice(report.decisive) for _ in range(_PERTURBED)]
    random.shuffle(runs)
    for perturbed in runs:
        left = _ALL_TIME * court.guests.timeout - spent
        if left <= 0:
            break
        control = await relay.judged(court, job(perturbed), files, left)
        spent += control.seconds
        passes = control.passed >= report.passed and control.cheat is None
        if control.cut or (perturbed is not None and 2 in (passed, failed)):
            continue
        if perturbed is not None:
            passed, failed = passed + passes, failed + (not passes)
        elif not passes:
            return Tally(tally.cases, 0, 0, "its objects say that they are equal, but not each time")
    if passed > failed:
        return replace(tally, cheat="objects of the program's are equal whatever values they are made from")
    if failed == 0:
        return Tally(tally.cases, 0, 0, "its objects say that they are equal, and it took too long to control that")
    return tally
