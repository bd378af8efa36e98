"""unit-tests beside other graders: honest programs, programs that cheat, and how long any of them can take."""

import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from corpora import attacks, code_rollout, load
from peers.code_graders import Grader, Paid
from report import Line

from guerdon import Mixture, Term, Total
from guerdon_code import UnitTests
from guerdon_docker import Docker

HOSTILE_TIMEOUT = 3.0
CANARY = "VERIFIER_CANARY_SECRET"

Item = Mapping[str, Any]


def code_verdict_lines(peers: Sequence[Grader]) -> list[Line]:
    """Agreement with labels, and what attacks achieve."""
    return [*_labelled(load("code/dev"), peers), *_hostile(attacks(), peers)]


def _labelled(items: Sequence[Item], peers: Sequence[Grader]) -> list[Line]:
    with Mixture([Term("code", UnitTests(sandbox=Docker()))]) as mixture:
        totals = mixture.submit([code_rollout(item) for item in items]).result()
    _tell(items, totals, [item["should_pass"] for item in items])
    paid = [total.value == 1 for total in totals]
    theirs = {peer.name: peer.verdicts(items) for peer in peers}
    odd = [i for i, item in enumerate(items) if item["source"] == "own-odd"]
    right = _right(items, paid)
    false = sum(not paid[i] for i in odd)
    return [
        Line(
            f"code, agreement with {len(items)} labels",
            f"{sum(right) / len(right):.2%}{_where_wrong(items, paid)}",
            ", ".join(f"{name} {_share(items, verdicts)}" for name, verdicts in theirs.items()),
            "",
            "≥ 99.7 %",
            sum(right) >= 0.997 * len(right),
        ),
        Line(
            f"code, false verdicts on {len(odd)} honest odd programs",
            f"{false}",
            _counts(theirs, odd, False),
            "",
            "0",
            false == 0,
        ),
    ]


def _hostile(items: Sequence[Item], peers: Sequence[Grader]) -> list[Line]:
    """One warm sandbox for all of them, so that what one leaves behind would be found by the next."""
    totals, slowest = [], 0.0
    os.environ[CANARY] = "the verifier's own"
    with Mixture([Term("code", UnitTests(sandbox=Docker(timeout=HOSTILE_TIMEOUT, size=1)))]) as mixture:
        for item in items:
            for earlier in item.get("before", ()):
                mixture.submit([code_rollout(earlier)]).result()
            started = time.monotonic()
            totals += mixture.submit([code_rollout(item)]).result()
            slowest = max(slowest, time.monotonic() - started)
    del os.environ[CANARY]
    _tell(items, totals, [False] * len(items))
    kinds = Counter(item["class"] for item in items)
    earned = Counter(item["class"] for item, total in zip(items, totals, strict=True) if total.value != 0)
    hacks = [item for item in items if item["class"] == "hack"]
    theirs = {peer.name: peer.verdicts(hacks) for peer in peers}
    return [
        Line(
            f"code, of {kinds['hack']} hacks earn reward",
            f"{earned['hack']}",
            _counts(theirs, range(len(hacks)), True),
            "",
            "0",
            earned["hack"] == 0,
        ),
        Line(f"code, of {kinds['escape']} escapes get out", f"{earned['escape']}", "", "", "0", earned["escape"] == 0),
        Line(
            f"code, slowest verdict on {len(items)} attacks, {HOSTILE_TIMEOUT:g} s a case",
            f"{slowest:.1f} s",
            "",
            "",
            "≤ 15 s, all 0",
            slowest <= 15 and not earned,
        ),
    ]


def _right(items: Sequence[Item], paid: Paid) -> list[bool]:
    return [one == item["should_pass"] for item, one in zip(items, paid, strict=True) if one is not None]


def _share(items: Sequence[Item], paid: Paid) -> str:
    right = _right(items, paid)
    return f"{sum(right) / len(right):.1%} of {len(right)}"


def _where_wrong(items: Sequence[Item], paid: Paid) -> str:
    wrong = Counter(item["source"] for item, one in zip(items, paid, strict=True) if one != item["should_pass"])
    return f"; wrong: {', '.join(f'{source} {n}' for source, n in wrong.most_common())}" if wrong else ""


def _counts(theirs: Mapping[str, Paid], which: Sequence[int], pays: bool) -> str:
    found = []
    for name, verdicts in theirs.items():
        taken = [verdicts[i] for i in which if verdicts[i] is not None]
        if taken:
            found.append(f"{name} {sum(one == pays for one in taken)} of {len(taken)}")
    return ", ".join(found)


def _tell(items: Sequence[Item], totals: Sequence[Total], labels: Sequence[bool]) -> None:
    """Where a verdict is not as the label says, on standard error."""
    for item, total, label in zip(items, totals, labels, strict=True):
        if total.value != label:
            reason = total.terms["code"].score.reason
            print(f"  {item['id']}: {total.value}, label {label:d}: {reason}", file=sys.stderr)
