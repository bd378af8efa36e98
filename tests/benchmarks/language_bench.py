"""language-consistency beside lingua and langdetect on sentences: error and speed."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from corpora import language_rollout, load
from report import Line

from guerdon.judging import judge_now
from guerdon_language import LanguageConsistency

PEER = Path(__file__).parent / "peers" / "language_peer.py"


def language_lines(peers: str) -> list[Line]:
    """Every line of the table that is about language."""
    items = load("language/dev")
    lingua, langdetect = _peer(peers, "lingua", items), _peer(peers, "langdetect", items)
    reward = LanguageConsistency()
    rollouts = [language_rollout(item) for item in items]
    judge_now(reward, [language_rollout({"id": "warm-up", "target": "en", "text": "Warm up, please. 请热身。"})])
    started = time.process_time()
    scores = [judge_now(reward, [rollout])[0] for rollout in rollouts]
    speed = len(items) / (time.process_time() - started)
    values = [score.value if score.value is not None else -1.0 for score in scores]
    error = sum(abs(value - item["proportion"]) for value, item in zip(values, items, strict=True)) / len(items)
    return [
        Line(
            "language, mean absolute error of the proportion",
            f"{error:.4f}",
            f"lingua {lingua['error']:.3f}, langdetect {langdetect['error']:.3f}",
            "",
            "≤ .012",
            error <= 0.012,
        ),
        Line(
            "language, documents per CPU second",
            f"{speed:.0f}",
            f"lingua {lingua['documents_per_cpu_second']:.0f}, langdetect {langdetect['documents_per_cpu_second']:.0f}",
            f"{speed / lingua['documents_per_cpu_second']:.1f} × lingua",
            "≥ 450",
            speed >= 450,
        ),
    ]


def _peer(python: str, name: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    text = "\n".join(json.dumps(item) for item in items)
    done = subprocess.run([python, str(PEER), name], input=text, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
