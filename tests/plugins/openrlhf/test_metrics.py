"""The metrics of a step of OpenRLHF's, from the rows that its processes leave."""

from typing import Any

from guerdon import Outcome, Rollout, Score, Task, TermScore, Total
from guerdon.ledger import row
from guerdon_openrlhf.fitting_grpo import metrics_of


def left(group: int, tokens: list[int], **terms: float) -> dict[str, Any]:
    scores = {name: TermScore(Score(value, "so")) for name, value in terms.items()}
    total = Total(sum(terms.values()), Outcome.SCORED, "so", scores)
    return {**row(Rollout(Task("t", "?"), "!", completion_ids=tokens), total), "group": str(group)}


def test_what_a_judge_goes_along_with_comes_home_too() -> None:
    rows = [
        left(0, [1, 2, 3], judge=0.1, accuracy=1.0),
        left(0, [1, 2, 3, 4], judge=0.2, accuracy=0.0),
        left(1, [1] * 90, judge=0.0, accuracy=1.0),
        left(1, [1] * 91, judge=0.9, accuracy=0.5),
    ]
    metrics = metrics_of(rows, {"judge"})
    assert metrics["correlation/judge/length"] == 1.0
    assert metrics["correlation/judge/rewards/accuracy"] == -1.0
    assert metrics["completions/mean_length"] == (3 + 4 + 90 + 91) / 4
    assert "correlation/judge/length" not in metrics_of(rows, frozenset())
