"""lingua and langdetect on sentences: the share of target-language words, as a trainer would write it in an hour."""

import json
import re
import sys
import time

LATEX = re.compile(r"```.*?```|\$\$.*?\$\$|\$[^$]*\$|\\\[.*?\\\]|\\begin\{(\w+)\}.*?\\end\{\1\}", re.DOTALL)
HAN = re.compile(r"[㐀-鿿]")
LANGUAGES = ["en", "zh", "fr", "de", "es"]


def words(sentence: str) -> float:
    """Words of a sentence; Chinese ones at the 1.6 characters that a word has on average."""
    return len(HAN.findall(sentence)) / 1.6 + len(re.findall(r"[^\W\d_]+", HAN.sub(" ", sentence)))


def share(text: str, target: str, detect) -> float:
    """The share of words in sentences of the target language."""
    total = hit = 0.0
    for sentence in re.split(r"(?<=[.!?。！？])\s*", LATEX.sub(" ", text)):
        count = words(sentence)
        if count:
            total += count
            hit += count * (detect(sentence) == target)
    return hit / total if total else 0.0


def lingua_detector():
    """lingua, told which languages there are."""
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in LANGUAGES]
    detector = LanguageDetectorBuilder.from_iso_codes_639_1(*codes).with_preloaded_language_models().build()

    def detect(sentence: str) -> str:
        found = detector.detect_language_of(sentence)
        return found.iso_code_639_1.name.lower() if found else ""

    return detect


def langdetect_detector():
    """langdetect, seeded."""
    from langdetect import DetectorFactory, LangDetectException
    from langdetect import detect as guess

    DetectorFactory.seed = 0

    def detect(sentence: str) -> str:
        try:
            return guess(sentence)[:2]
        except LangDetectException:
            return ""

    return detect


def main() -> None:
    """Error and speed of the detector that the command line names, on documents from standard input."""
    detect = {"lingua": lingua_detector, "langdetect": langdetect_detector}[sys.argv[1]]()
    items = [json.loads(line) for line in sys.stdin]
    detect("Warm up, please.")
    started = time.process_time()
    errors = [abs(share(item["text"], item["target"], detect) - item["proportion"]) for item in items]
    seconds = time.process_time() - started
    print(json.dumps({"error": sum(errors) / len(errors), "documents_per_cpu_second": len(items) / seconds}))


main()
