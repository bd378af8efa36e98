"""The tasks in the documentation are tasks: a right program passes them, and a wrong one does not."""

import json
import re
from pathlib import Path

import pytest

from guerdon import Mixture, Rollout, Task, Term
from guerdon_code import UnitTests

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-code-tasks.md"
TRUTHS = [json.loads(text) for text in re.findall(r"```json\n(.*?)\n```", PAGE.read_text(), re.DOTALL)]
RIGHT = {
    "stdio": '#include <cstdio>\nint main() { int a, b; scanf("%d %d", &a, &b); printf("%d\\n", a * a + b * b); }',
    "function": "def area(side): return side * side",
    "pytest": "def area(side): return side * side",
}
WRONG = {**RIGHT, "stdio": "int main() {}", "function": "def area(side): return 0", "pytest": "area = None"}


@pytest.mark.parametrize(("programs", "value"), [(RIGHT, 1), (WRONG, 0)], ids=["right", "wrong"])
def test_every_task_of_the_page_is_judged(programs: dict[str, str], value: int) -> None:
    rollouts = [Rollout(Task(str(i), "", truth), programs[truth["kind"]]) for i, truth in enumerate(TRUTHS)]
    with Mixture([Term("code", UnitTests(sandbox="process"))]) as mixture:  # type: ignore[arg-type]
        totals = mixture.submit(rollouts).result()
    assert len(totals) == 5
    assert [total.value for total in totals] == [value] * 5, [total.reason for total in totals]
