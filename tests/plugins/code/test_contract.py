"""The reward keeps the contract of guerdon.testing."""

from guerdon import Rollout, Task
from guerdon.testing import check_reward
from guerdon_code import UnitTests

TASKS = [
    Task("stdio", "", {"kind": "stdio", "language": "python", "cases": [{"input": "3", "output": "9"}]}),
    Task(
        "function", "", {"kind": "function", "language": "python", "entry_point": "f", "asserts": ["assert f(3) == 9"]}
    ),
]


def test_unit_tests_keeps_the_contract() -> None:
    right = ["```python\nprint(int(input()) ** 2)\n```", "```python\ndef f(x): return x * x\n```"]
    wrong = ["```python\nprint(6)\n```", "I cannot do that."]
    check_reward(
        UnitTests(sandbox={"use": "process"}),  # type: ignore[arg-type]
        [Rollout(task, completion) for task, completion in zip(TASKS, right, strict=True)],
        [Rollout(task, completion) for task, completion in zip(TASKS, wrong, strict=True)],
    )
