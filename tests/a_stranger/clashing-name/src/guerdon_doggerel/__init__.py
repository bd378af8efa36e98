"""A guerdon plugin whose author had the same idea for a name."""

from guerdon import Rollout, Verifier, hookimpl


@hookimpl
def register_rewards(register):
    register(Rhyme)
    register(Doggerel)


class Rhyme(Verifier):
    """Whether the word rhyme occurs."""

    name = "rhyme"

    def verify(self, rollout: Rollout) -> bool:
        return "rhyme" in rollout.answer


class Doggerel(Verifier):
    """Whether the word dog occurs."""

    name = "doggerel"

    def verify(self, rollout: Rollout) -> bool:
        return "dog" in rollout.answer
