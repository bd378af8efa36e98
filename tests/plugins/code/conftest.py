"""Judging as a run does it, in the sandbox `process`: for programs that mean no harm."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import pytest

from guerdon import Mixture, Rollout, Score, Task, Term
from guerdon_code import UnitTests

Judged: TypeAlias = Callable[..., Score]
PROCESS = {"use": "process", "timeout": 5, "memory_mb": 1024}


@pytest.fixture(scope="module")
def mixtures() -> Iterator[Callable[..., Mixture]]:
    """A mixture of `unit-tests` alone for each set of its options."""
    there: dict[str, Mixture] = {}

    def mixture(**options: Any) -> Mixture:
        if repr(options) not in there:
            reward = UnitTests(**{"sandbox": PROCESS, **options})
            there[repr(options)] = Mixture([Term("code", reward)]).open()
        return there[repr(options)]

    yield mixture
    for one in there.values():
        one.close()


@pytest.fixture(scope="module")
def judged(mixtures: Callable[..., Mixture]) -> Judged:
    """The score of a program, or of a whole answer, by a ground truth."""

    def score(program: str, truth: Any, *, answer: str | None = None, **options: Any) -> Score:
        completion = f"```\n{program}\n```" if answer is None else answer
        (total,) = asyncio.run(mixtures(**options).score([Rollout(Task("it", "", truth), completion)]))
        return total.terms["code"].score

    return score


@pytest.fixture(scope="module")
def stdio() -> Callable[..., Mapping[str, Any]]:
    """A ground truth of pairs of input and output."""

    def truth(*cases: tuple[str, str], language: str = "python") -> Mapping[str, Any]:
        pairs = [{"input": one, "output": other} for one, other in cases]
        return {"kind": "stdio", "language": language, "cases": pairs}

    return truth


@pytest.fixture(scope="module")
def function() -> Callable[..., Mapping[str, Any]]:
    """A ground truth of asserts about `f`, or of what is given instead."""

    def truth(*asserts: str, **more: Any) -> Mapping[str, Any]:
        tests = {"asserts": list(asserts)} if asserts else {}
        return {"kind": "function", "language": "python", "entry_point": "f", **tests, **more}

    return truth


@pytest.fixture(scope="module")
def tests_in_a_file() -> Callable[..., Mapping[str, Any]]:
    """A ground truth of one file of tests for the module `solution`."""

    def truth(source: str, **files: str) -> Mapping[str, Any]:
        return {
            "kind": "pytest",
            "language": "python",
            "program_file": "solution.py",
            "files": {"test_it.py": source, **files},
            "cmd": "test_it.py",
        }

    return truth
