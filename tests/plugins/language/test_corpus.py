"""How close the counted proportions come to known ones."""

import gzip
import json
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from guerdon_language.census import census
from guerdon_language.codes import alike
from guerdon_language.detectors import DETECTORS

HERE = Path(__file__).parent
DEV = HERE.parents[1] / "corpora" / "language" / "dev.jsonl.gz"
UNSPACED = {"zh", "ja"}


def proportion(text: str, target: str, detector: str = "lingua") -> float:
    counts = census(text, target, DETECTORS[detector])
    return sum(counts[code] for code in alike(target)) / counts.total() if counts else 0.0


def errors(documents: Iterable[dict[str, Any]], detector: str = "lingua") -> list[float]:
    return [abs(proportion(d["text"], d["target"], detector) - d["proportion"]) for d in documents]


def vendored() -> list[dict[str, Any]]:
    with gzip.open(DEV, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def sentences() -> dict[str, list[list[str]]]:
    by_language: dict[str, list[list[str]]] = {}
    for line in (HERE / "sentences.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            current = by_language.setdefault(line.strip("[]"), [])
        elif not line.startswith("#"):
            current.append([word for word in line.rstrip(".。।").split() if word != "。"])
    return by_language


def composed(languages: Callable[[str, str], bool], count: int, *, switches: bool) -> Iterator[dict[str, Any]]:
    """Documents in two languages; with `switches`, half of the sentences begin or end in the other language."""
    stock = sentences()
    pairs = [(a, b) for a in stock for b in stock if a != b and languages(a, b)]
    for seed in range(count):
        dice = random.Random(seed)
        target, other = dice.choice(pairs)
        share = dice.choice([0.1, 0.3, 0.5, 0.7, 0.9, 1.0])
        right = total = 0
        text = []
        for _ in range(dice.randint(6, 20)):
            language, foreign = (target, other) if dice.random() < share else (other, target)
            parts = [(language, dice.choice(stock[language]))]
            if switches and share < 1 and dice.random() < 0.5:
                words = dice.choice(stock[foreign])
                parts.insert(dice.randrange(2), (foreign, words[: dice.randint(1, min(5, len(words) - 1))]))
            right += sum(len(words) for code, words in parts if code == target)
            total += sum(len(words) for _, words in parts)
            text.append(" ".join(("" if code in UNSPACED else " ").join(words) for code, words in parts) + ".")
        yield {"text": " ".join(text), "target": target, "proportion": right / total}


@pytest.mark.parametrize("detector", ["lingua", "langdetect"])
def test_the_error_on_the_vendored_documents_is_within_the_bar(detector: str) -> None:
    assert mean(errors(vendored(), detector)) <= 0.012


@pytest.mark.parametrize("kind", ["plain", "intra", "math", "mathcode"])
def test_no_kind_of_document_is_far_off(kind: str) -> None:
    assert mean(errors(d for d in vendored() if d["kind"] == kind)) <= 0.02


@pytest.mark.parametrize("switches", [False, True])
def test_sentences_never_seen_before_in_the_languages_of_the_corpus(switches: bool) -> None:
    five = {"en", "zh", "fr", "de", "es"}
    documents = composed(lambda a, b: {a, b} <= five, 80, switches=switches)
    assert mean(errors(documents)) <= (0.016 if switches else 0.006)


@pytest.mark.parametrize("switches", [False, True])
def test_sentences_never_seen_before_in_many_languages(switches: bool) -> None:
    documents = composed(lambda a, b: a in {"en", "zh"} or b in {"en", "zh"}, 120, switches=switches)
    assert mean(errors(documents)) <= 0.02


@pytest.mark.parametrize("language", sorted(sentences()))
def test_a_text_in_one_language_is_in_that_language(language: str) -> None:
    joint = "" if language in UNSPACED else " "
    text = " ".join(joint.join(words) + "." for words in sentences()[language])
    assert proportion(text, language) >= 0.98
    assert proportion(text, "en" if language != "en" else "zh") <= 0.02
