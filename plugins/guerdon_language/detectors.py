"""Language detectors for text that has no function words we know: lingua and langdetect, behind one function each."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from guerdon_language.codes import canonical_code

UNKNOWN = "und"
"""ISO 639-2 for a language that nobody could name."""
_PIECES, _PIECE = 5, 80
"""A verdict is based on this many pieces of this many characters; detectors do not become surer on more."""

Detector = Callable[[str], Mapping[str, float]]
"""From a text to the probabilities of its languages, by code; empty where it cannot tell."""


def lingua(text: str) -> dict[str, float]:
    """What lingua's trigram models say (75 languages)."""
    values = _lingua().compute_language_confidence_values(_sample(text))
    return {canonical_code(value.language.iso_code_639_1.name): value.value for value in values if value.value}


def langdetect(text: str) -> dict[str, float]:
    """What langdetect says (55 languages), seeded."""
    from langdetect.lang_detect_exception import LangDetectException

    detector = _langdetect().create()
    detector.append(_sample(text))
    try:
        return {canonical_code(guess.lang): guess.prob for guess in detector.get_probabilities()}
    except LangDetectException:
        return {}


DETECTORS: dict[str, Detector] = {"lingua": lingua, "langdetect": langdetect}


@cache
def _lingua() -> Any:
    from lingua import LanguageDetectorBuilder

    # The trigram models of all languages: 50 MB instead of 900, and five times as fast.
    return LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()


@cache
def _langdetect() -> Any:
    from langdetect.detector_factory import PROFILES_DIRECTORY, DetectorFactory

    factory = DetectorFactory()
    factory.load_profile(PROFILES_DIRECTORY)
    # Unseeded, langdetect gives another verdict on the same text every now and then.
    factory.seed = 0
    return factory


def _sample(text: str) -> str:
    """At most five pieces of a text, evenly spread: it need not begin as it goes on."""
    if len(text) <= _PIECES * _PIECE:
        return text
    stride = (len(text) - _PIECE) // (_PIECES - 1)
    return " ".join(text[i * stride : i * stride + _PIECE] for i in range(_PIECES))
