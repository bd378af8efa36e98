from guerdon_rhyme import Rhyme

from guerdon import Rollout, Task
from guerdon.testing import check_reward

TASK = Task("couplet", "Write a couplet.")


def test_it_pays_for_rhymes():
    check_reward(
        Rhyme(),
        right=[Rollout(TASK, "I sat\nwith a cat."), Rollout(TASK, "<think>hm</think>I sat!\n\nwith a cat")],
        wrong=[Rollout(TASK, "I sat\nwith a dog"), Rollout(TASK, "I sat"), Rollout(TASK, "")],
    )


def test_more_letters_are_stricter():
    check_reward(Rhyme(letters=3), right=[Rollout(TASK, "that\nchat")], wrong=[Rollout(TASK, "that\nflat\nbut\nput")])
