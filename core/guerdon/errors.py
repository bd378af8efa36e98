"""One family of errors: each says where, what, and the way out."""

from collections.abc import Collection
from difflib import get_close_matches


class GuerdonError(Exception):
    """Anything that guerdon tells its user is wrong.

    `where` is a place the user can go to (`mix.toml: rewards.math.tolerance`), `what` the fact, `way_out` what to do.
    """

    def __init__(self, where: str, what: str, way_out: str = "") -> None:
        super().__init__(where, what, way_out)
        self.where = where
        self.what = what
        self.way_out = way_out

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f"; {self.way_out}" if self.way_out else "")


class PluginError(GuerdonError):
    """A plugin cannot be loaded, or two plugs share one name."""


class OptionError(GuerdonError):
    """A plug was given an option that it does not have, or of the wrong type."""


class DataError(GuerdonError):
    """Input that cannot be read: a file, a line, a column."""


class RewardBroken(GuerdonError):
    """A reward fails so often that going on would only waste the run."""


class RunFileError(GuerdonError):
    """Everything that is wrong with a run file, in the order of the file."""

    def __init__(self, path: str, mistakes: list[GuerdonError]) -> None:
        self.mistakes = mistakes
        noun = "mistake" if len(mistakes) == 1 else "mistakes"
        super().__init__(path, f"{len(mistakes)} {noun}")

    def __str__(self) -> str:
        return "\n  ".join([super().__str__(), *map(str, self.mistakes)])


class Interrupted(Exception):
    """Training was asked to end, and ended after a step of `stage` that is saved."""

    def __init__(self, stage: str, step: int, total: int) -> None:
        super().__init__(f"{stage}: step {step} of {total}")


class Unavailable(Exception):
    """Raised by a reward when the world is at fault: an endpoint is down, a sandbox cannot start.

    The rollout gets no score. Never raise it for anything that a completion can cause.
    """


class BadGroundTruth(Exception):
    """Raised by a verifier that cannot make sense of the task's own ground truth.

    The rollout gets no score, unless the verifier turns out to take the same ground truth from a control.
    """


class SandboxDied(Exception):
    """Raised by a sandbox that ended under a running program. Who is to blame is not known: run the program again."""


def suggestion(wrong: str, known: Collection[str]) -> str:
    """The way out of a misspelt name."""
    close = get_close_matches(wrong, known, n=1)
    if close:
        return f"did you mean '{close[0]}'?"
    return f"known here: {', '.join(known)}" if known else "it takes none"
