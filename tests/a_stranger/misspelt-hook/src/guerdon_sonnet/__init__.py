"""A guerdon plugin whose author misspelt the hook."""

from guerdon import Rollout, Verifier, hookimpl


@hookimpl
def register_reward(register):
    register(Sonnet)


class Sonnet(Verifier):
    """Whether there are fourteen lines."""

    name = "sonnet"

    def verify(self, rollout: Rollout) -> bool:
        return len(rollout.answer.splitlines()) == 14
