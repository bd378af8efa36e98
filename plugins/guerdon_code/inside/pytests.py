"""Whole pytest files. What they import of the program is a stand-in; pytest itself never meets the program."""

import ast
import shlex
from functools import partial
from typing import Any

from guerdon_code.inside import standin
from guerdon_code.inside.link import Cheat, Gone, Link
from guerdon_code.inside.report import LONGEST, Report, told

_PHASES = ("setup", "call", "teardown")


def judged(link: Link, job: dict[str, Any]) -> Report:
    """The report on a program. `job`: module, source, tests, all_cases. Runs in the directory of the tests."""
    import pytest

    tests, report = job["tests"], Report(cases=1)
    try:
        load = partial(link.ask, "load", job["module"], job["source"], "")
        program = load()
        trees = [ast.parse(text) for name, text in tests["files"].items() if name.endswith(".py")]
        name = job["module"]
        standin.install(sorted({name, name.rpartition(".")[2]}, key=len, reverse=True), link, program, trees, load)
    except Cheat:
        return report
    except BaseException as error:
        why = str(error) if isinstance(error, Gone) else f"the program raised {told(error)} when it was imported"
        report.failed(0, why)
        return report
    link.test_modules = {name.removesuffix(".py").replace("/", ".").rpartition(".")[2] for name in tests["files"]}
    watch = _Watch(link)
    options = ["-p", "no:cacheprovider", "--color=no", "--tb=short", "--capture=sys", "-q"]
    if not job["all_cases"]:
        options.append("-x")
    try:
        pytest.main([*shlex.split(tests["cmd"]), *options], plugins=[watch])
    except BaseException as error:
        watch.broken = watch.broken or told(error)
    return watch.reported(report)


class _Watch:
    """Listens to pytest."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.nodes: list[str] = []
        self.outcomes: dict[str, dict[str, str]] = {}
        self.why: dict[str, str] = {}
        self.broken: str | None = None
        self.own_fault = False
        """Whether collecting failed without the program's having raised anything."""

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        self.nodes = [item.nodeid for item in items]

    def pytest_collectreport(self, report: Any) -> None:
        if report.outcome != "passed":
            self.broken = self.broken or f"{report.nodeid} cannot be collected: {_last_line(report)}"
            self.own_fault = self.link.faulted is None

    def pytest_exception_interact(self, call: Any, report: Any) -> None:
        # A name that the tests miss is one that the program does not have.
        if isinstance(call.excinfo.value, NameError) and not hasattr(report, "when"):
            self.link.faulted = self.link.faulted or call.excinfo.value

    def pytest_runtest_logreport(self, report: Any) -> None:
        outcome = "expected to fail" if hasattr(report, "wasxfail") else report.outcome
        self.outcomes.setdefault(report.nodeid, {})[report.when] = outcome
        if outcome != "passed" and report.nodeid not in self.why:
            said = f"{outcome} in {report.when}" if report.when != "call" else outcome
            self.why[report.nodeid] = f"{said}: {_last_line(report)}" if report.longrepr else said

    def reported(self, report: Report) -> Report:
        report.cases = len(self.nodes) or 1
        passed = [self.outcomes.get(node, {}) == dict.fromkeys(_PHASES, "passed") for node in self.nodes]
        report.passed = sum(passed)
        # The first that something is known of: where pytest stopped, others have not run at all.
        failed = [(node not in self.why, at) for at, node in enumerate(self.nodes) if not passed[at]]
        if failed:
            _, at = min(failed)
            stopped = f", because the program raised {told(self.link.faulted)}" if self.link.faulted else ""
            why = self.why.get(self.nodes[at], f"did not run{stopped}")
            report.failed(at, self.link.gone or f"{self.nodes[at]}: {why}")
        if self.link.gone is not None:
            report.failed(0, self.link.gone)
        if self.broken is not None or not self.nodes:
            report.failed(0, self.link.gone or self.broken or "pytest found no test")
            if self.own_fault or (self.broken is None and self.link.faulted is None):
                report.bad_tests = report.why
        return report


def _last_line(report: Any) -> str:
    """What pytest says of a failure: the assertion, with the values in it."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        text = f"line {crash.lineno}: {crash.message}"
    elif isinstance(report.longrepr, tuple):
        text = str(report.longrepr[2])
    else:
        lines = [line for line in str(report.longrepr).splitlines() if line.startswith("E ")]
        text = lines[-1][1:].strip() if lines else str(report.longrepr)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
