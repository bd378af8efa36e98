"""The contracts of guerdon, for the tests of plugin authors.

    from guerdon import Rollout, Task
    from guerdon.testing import check_reward
    from guerdon_rhyme import Rhyme

    TASK = Task("1", "Write a couplet.")

    def test_it_pays_for_rhymes():
        check_reward(
            Rhyme(letters=2),
            right=[Rollout(TASK, "I sat\\nwith a cat")],
            wrong=[Rollout(TASK, "I sat\\nwith a dog"), Rollout(TASK, "I sat")],
        )

    def test_it_keeps_programs_in():
        check_sandbox(Jail())

What is broken is said by an AssertionError, with what to do about it.
"""

from guerdon.testing.rewards import check_reward
from guerdon.testing.sandboxes import check_sandbox

__all__ = ["check_reward", "check_sandbox"]
