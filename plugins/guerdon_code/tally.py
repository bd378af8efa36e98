"""What was found out about a program, and the score and sentence that it makes."""

import signal
from dataclasses import dataclass
from typing import Any

from guerdon import Finished, Limits, Score
from guerdon_code.inside.report import printable

_SHOWN = 160


@dataclass(frozen=True)
class Tally:
    """How many cases there are and how many passed; the first that failed (from 0), and why. `cheat` is evidence."""

    cases: int
    passed: int
    case: int | None = None
    why: str = ""
    cheat: str | None = None

    def score(self, partial: bool) -> Score:
        """1 for all cases, else 0 or the share; 0 for a cheat."""
        evidence: dict[str, Any] = {"cases": self.cases, "passed": self.passed}
        if self.cheat is not None:
            cheat = printable(self.cheat)
            return Score(0.0, f"cheat: {cheat}", evidence={**evidence, "cheat": cheat})
        if self.case is None:
            many = f"all {self.cases} cases pass" if self.cases > 1 else "the only case passes"
            return Score(1.0, many, evidence=evidence)
        value = self.passed / self.cases if partial and self.cases else 0.0
        reason = f"case {self.case + 1} of {self.cases}: {self.why}" if self.cases > 1 else self.why
        if partial:
            reason = f"{self.passed} of {self.cases} cases pass; {reason}"
        return Score(value, printable(reason), evidence={**evidence, "case": self.case})


def how_it_ended(finished: Finished, limits: Limits) -> str | None:
    """What a program's end says against it: a limit, a signal, an exit status; None for a good end."""
    over = {
        "cpu": f"it used up its {limits.cpu_seconds:g} s of CPU time",
        "wall": f"it was not done after {finished.seconds:.1f} s, of which it used {finished.cpu_seconds:.1f} s",
        "memory": f"it used up its {limits.memory_mb} MiB of memory",
        "output": f"it wrote more than {limits.output_bytes >> 10} KiB",
    }
    if finished.cause is not None:
        return over[finished.cause]
    if finished.signal is not None:
        try:
            name = signal.Signals(finished.signal).name
        except ValueError:
            name = str(finished.signal)
        return f"it was ended by the signal {name}" + _last_words(finished)
    if finished.exit_code:
        return f"it exited with status {finished.exit_code}" + _last_words(finished)
    return None


def _last_words(finished: Finished) -> str:
    lines = finished.stderr.decode("utf-8", "replace").strip().splitlines()
    return f": {shortened(lines[-1].strip())}" if lines else ""


def shortened(text: str) -> str:
    """At most so many characters as one likes to read."""
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
