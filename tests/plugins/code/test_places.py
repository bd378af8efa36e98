"""Waiting for a place in the sandbox is not judging."""

import asyncio
from dataclasses import replace

import pytest

from guerdon import Mixture, Rollout, Task, Term
from guerdon_code import UnitTests

pytestmark = pytest.mark.docker

SLEEPY = "```python\nimport time\ntime.sleep(0.4)\nprint(int(input()) ** 2)\n```"
TASK = Task("square", "", {"kind": "stdio", "language": "python", "cases": [{"input": "3", "output": "9"}]})


def test_a_program_that_waits_for_a_container_is_not_being_judged() -> None:
    reward = UnitTests(sandbox={"use": "docker", "size": 2})  # type: ignore[arg-type]
    with Mixture([Term("code", reward)]) as mixture:
        totals = asyncio.run(mixture.score([Rollout(replace(TASK), SLEEPY) for _ in range(12)]))
    assert [total.value for total in totals] == [1] * 12
    terms = [total.terms["code"] for total in totals]
    assert sorted(term.seconds for term in terms)[6] < 1.2, "two at a time, and each alone with its time"
    assert max(term.queued_seconds for term in terms) > 1.5


def test_as_many_are_judged_at_once_as_there_are_containers() -> None:
    assert UnitTests(sandbox={"use": "docker", "size": 40}).at_once() == 40  # type: ignore[arg-type]
    languages = {"perl": {"file": "p", "run": ["perl", "p"], "sandbox": {"use": "docker", "size": 50}}}
    more = UnitTests(sandbox={"use": "docker", "size": 40}, languages=languages)  # type: ignore[arg-type]
    assert more.at_once() == 50
