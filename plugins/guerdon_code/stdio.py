"""Cases of standard input and output: a run for each, compared here, token by token."""

from collections.abc import Sequence
from itertools import zip_longest

from guerdon import Limits, Program, Sandbox
from guerdon_code.tally import Tally, how_it_ended, shortened
from guerdon_code.truth import Case

_SURPLUS = 64 << 10
"""Bytes that a program may print beyond twice what is expected."""
_IDLE_SHARE = 2.0
_LEAST_IDLE = 1.0
_UNAVOIDABLE_IDLE = 0.25
"""Seconds of each case that count as the machine's waiting, not the program's."""
_MOST_CUT = 5
"""Cases that a limit ends before the rest is given up."""
_AROUND = 60


async def tallied(sandbox: Sandbox, program: Program, cases: Sequence[Case], all_cases: bool) -> Tally:
    """Run the cases one after the other, up to the first that fails unless `all_cases`."""
    passed, first, why_first, cut = 0, None, "", 0
    # Waiting is allowed for all cases together, so that a program that sleeps in each is not waited for in each.
    idle = _IDLE_SHARE * sandbox.timeout
    for number, case in enumerate(cases):
        expected = case["output"]
        limits = Limits(
            cpu_seconds=sandbox.timeout,
            wall_seconds=sandbox.timeout + max(idle, _LEAST_IDLE),
            memory_mb=sandbox.memory_mb,
            output_bytes=2 * len(expected.encode("utf-8", "surrogatepass")) + _SURPLUS,
        )
        async with sandbox.start(program, limits) as running:
            await running.send(case["input"].encode("utf-8", "surrogatepass"))
            finished = await running.finish()
        idle -= max(finished.seconds - finished.cpu_seconds - _UNAVOIDABLE_IDLE, 0.0)
        why = how_it_ended(finished, limits)
        if why is None and idle < 0:
            why = f"up to here it has spent more than {_IDLE_SHARE * sandbox.timeout:g} s waiting"
        cut += finished.cause is not None or idle < 0
        if why is None:
            why = difference(expected, finished.stdout.decode("utf-8", "replace"))
        if why is None:
            passed += 1
            continue
        if first is None:
            first, why_first = number, why
        if not all_cases or cut == _MOST_CUT:
            break
    return Tally(len(cases), passed, first, why_first)


def difference(expected: str, got: str) -> str | None:
    """Where two outputs differ, token by token; None if they do not."""
    wanted, there = expected.split(), got.split()
    if wanted == there:
        return None
    if len(wanted) <= 1 and len(there) <= 1:
        return f"expected {shortened(repr(' '.join(wanted)))}, got {shortened(repr(' '.join(there)))}"
    pairs = enumerate(zip_longest(wanted, there))
    at = next(number for number, (one, other) in pairs if one != other)
    return f"expected {_around(wanted, at)}, got {_around(there, at)} (from token {at + 1} on)"


def _around(tokens: Sequence[str], at: int) -> str:
    if at >= len(tokens):
        return "the end"
    text = " ".join(token[: _AROUND + 1] for token in tokens[at : at + 8])
    return repr(text if len(text) <= _AROUND else text[: _AROUND - 1] + "…")
