"""guerdon.testing.check_reward: what it lets pass, and what it says of the rest. The rewards live in this module."""

import itertools
import random
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest

from guerdon import GroupReward, Rollout, Score, Task, Verifier
from guerdon.testing import check_reward

TASK = Task("t", "Say yes.", ground_truth="yes")
RIGHT, WRONG = Rollout(TASK, "yes"), Rollout(TASK, "no")


class Inline(Verifier):
    """A base for rewards that are defined in a test, where no worker can import them."""

    name: ClassVar[str] = "inline"
    isolation: ClassVar[Any] = "inline"

    def verify(self, rollout: Rollout) -> Any:
        return Score(float(rollout.answer == "yes"), f"said {rollout.answer[:20]!r}")


class Sound(Inline):
    """Pays for yes."""

    def canonical(self, task: Task) -> str:
        return "yes"


class Share(GroupReward):
    """The share of the longest."""

    name: ClassVar[str] = "share"
    isolation: ClassVar[Any] = "inline"

    def score_group(self, group: Sequence[Rollout]) -> list[float]:
        longest = max(len(rollout.completion) for rollout in group) or 1
        return [len(rollout.completion) / longest for rollout in group]


class Soft(Inline):
    """Pays a little for no."""

    def verify(self, rollout: Rollout) -> float:
        return {"yes": 0.0, "no": -1.0}.get(rollout.answer, -2.0)


@pytest.mark.parametrize("reward", [Sound(), Share(), Soft()], ids=lambda reward: type(reward).__name__)
def test_a_sound_reward_passes(reward):
    check_reward(reward, right=[RIGHT], wrong=[WRONG])


class Undocumented(Inline):
    """Has an option without a manual."""

    letters: int = 2


class Unnamed(Inline):
    name = None  # type: ignore[assignment]
    __doc__ = "Has no name."


class Mute(Inline):
    """Says nothing."""

    def verify(self, rollout: Rollout) -> Score:
        return Score(float(rollout.answer == "yes"), " ")


class Moody(Inline):
    """Depends on the day."""

    def verify(self, rollout: Rollout) -> float:
        return float(rollout.answer == "yes") + random.random() / 10


class Remembers(Inline):
    """Gives less every time."""

    _count: Any = itertools.count()

    def verify(self, rollout: Rollout) -> float:
        return (rollout.answer == "yes") - next(self._count) / 1000


class Fragile(Inline):
    """Cannot do without a first line."""

    def verify(self, rollout: Rollout) -> bool:
        return rollout.answer.splitlines()[0] == "yes"


class Generous(Inline):
    """Pays everything."""

    def verify(self, rollout: Rollout) -> float:
        return 1.0


class Stingy(Sound):
    """Pays half of what canonical promises."""

    def verify(self, rollout: Rollout) -> float:
        return 0.5 * (rollout.answer == "yes")


class Forgetful(Sound):
    """Has a canonical completion that is none."""

    def canonical(self, task: Task) -> str:
        return "no"


class Infinite(Inline):
    """Pays without end."""

    def verify(self, rollout: Rollout) -> float:
        return float("inf")


class Unsure(Inline):
    """Blames the world for what a completion does."""

    def verify(self, rollout: Rollout) -> float:
        from guerdon import Unavailable

        if "<think>" in rollout.completion:
            raise Unavailable("cannot tell")
        return float(rollout.answer == "yes")


@pytest.mark.parametrize(
    ("reward", "said"),
    [
        (Undocumented(), "Undocumented.letters is not documented"),
        (Unnamed(), "Unnamed has no name"),
        (Mute(), "without a reason"),
        (Moody(), "keep no state"),
        (Remembers(), "keep no state"),
        (Generous(), "is wrong, and gets 1.0"),
        (Stingy(), "canonical(task 't') does not earn 1"),
        (Forgetful(), "canonical(task 't') does not earn 1"),
        (Infinite(), "inf is no score"),
        (Unsure(), "an unclosed <think> gets no score (unavailable: cannot tell)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_breaks_the_contract_is_named_with_what_to_do(reward, said):
    with pytest.raises(AssertionError) as caught:
        check_reward(reward, right=[RIGHT], wrong=[WRONG])
    assert said in str(caught.value)


def test_a_verifier_that_raises_is_shown_the_rollout():
    with pytest.raises(AssertionError, match=r"Fragile raised IndexError: .*, on '' \(task 't'\)"):
        check_reward(Fragile(), right=[RIGHT], wrong=[Rollout(TASK, "")])


def test_hostile_completions_that_raise_are_found_even_if_the_author_gave_none():
    with pytest.raises(AssertionError, match="an empty completion"):
        check_reward(Fragile(), right=[RIGHT])


def test_nothing_right_proves_nothing():
    with pytest.raises(AssertionError, match="give at least one"):
        check_reward(Sound(), right=[])
