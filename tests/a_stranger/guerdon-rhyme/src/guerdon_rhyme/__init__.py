"""A guerdon plugin: pays for couplets that rhyme."""

from guerdon import Rollout, Score, Verifier, hookimpl


@hookimpl
def register_rewards(register):
    register(Rhyme)


class Rhyme(Verifier):
    """The share of line pairs whose last words end alike."""

    name = "rhyme"

    letters: int = 2
    """How many last letters must be the same."""

    def verify(self, rollout: Rollout) -> Score:
        ends = [line.rstrip(" .,;!?")[-self.letters :] for line in rollout.answer.splitlines() if line.strip()]
        pairs = list(zip(ends[::2], ends[1::2], strict=False))
        if not pairs:
            return Score(0.0, "fewer than two lines")
        rhymes = sum(a == b for a, b in pairs)
        return Score(rhymes / len(pairs), f"{rhymes} of {len(pairs)} pairs rhyme")
