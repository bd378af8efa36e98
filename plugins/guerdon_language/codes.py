"""Names of languages: ISO 639-1 codes, and what people write instead."""

from difflib import get_close_matches

NAMES = {
    "af": "afrikaans", "am": "amharic", "ar": "arabic", "az": "azerbaijani", "be": "belarusian", "bg": "bulgarian",
    "bn": "bengali", "bo": "tibetan", "bs": "bosnian", "ca": "catalan", "cs": "czech", "cy": "welsh", "da": "danish",
    "de": "german", "el": "greek", "en": "english", "eo": "esperanto", "es": "spanish", "et": "estonian",
    "eu": "basque", "fa": "persian", "fi": "finnish", "fr": "french", "ga": "irish", "gu": "gujarati", "he": "hebrew",
    "hi": "hindi", "hr": "croatian", "hu": "hungarian", "hy": "armenian", "id": "indonesian", "is": "icelandic",
    "it": "italian", "ja": "japanese", "ka": "georgian", "kk": "kazakh", "km": "khmer", "kn": "kannada",
    "ko": "korean", "la": "latin", "lg": "ganda", "lo": "lao", "lt": "lithuanian", "lv": "latvian", "mi": "maori",
    "mk": "macedonian", "ml": "malayalam", "mn": "mongolian", "mr": "marathi", "ms": "malay", "my": "burmese",
    "ne": "nepali", "nl": "dutch", "no": "norwegian", "or": "odia", "pa": "punjabi", "pl": "polish",
    "pt": "portuguese", "ro": "romanian", "ru": "russian", "si": "sinhala", "sk": "slovak", "sl": "slovene",
    "sn": "shona", "so": "somali", "sq": "albanian", "sr": "serbian", "st": "sotho", "sv": "swedish", "sw": "swahili",
    "ta": "tamil", "te": "telugu", "th": "thai", "tl": "tagalog", "tn": "tswana", "tr": "turkish", "ts": "tsonga",
    "uk": "ukrainian", "ur": "urdu", "vi": "vietnamese", "xh": "xhosa", "yo": "yoruba", "zh": "chinese", "zu": "zulu",
}  # fmt: skip
"""The languages that can be a target, by code."""

_ALIASES = {
    "nb": "no", "nn": "no", "fil": "tl", "iw": "he", "in": "id", "cmn": "zh", "yue": "zh", "zho": "zh", "eng": "en",
    "deu": "de", "fra": "fr", "spa": "es", "rus": "ru", "jpn": "ja", "kor": "ko", "ara": "ar", "por": "pt", "ita": "it",
    "mandarin": "zh", "farsi": "fa", "filipino": "tl", "slovenian": "sl", "oriya": "or",
    **{name: code for code, name in NAMES.items()},
}  # fmt: skip
_ALIKE = (frozenset({"hr", "sr", "bs"}), frozenset({"id", "ms"}))


def canonical_code(name: str) -> str:
    """The code that guerdon counts a language under: `zh` for zh-CN, zh_Hans and Chinese; unknown names unchanged."""
    primary = name.strip().lower().replace("_", "-").partition("-")[0]
    return _ALIASES.get(primary, primary)


def target_code(name: str) -> str:
    """The code of a language that can be a target; ValueError, with the known ones, for any other."""
    code = canonical_code(name)
    if code in NAMES:
        return code
    close = get_close_matches(code, [*NAMES, *_ALIASES], n=1)
    hint = f"did you mean {close[0]!r}? Known" if close else "known"
    raise ValueError(f"{name!r} is no language that can be told; {hint} are {', '.join(NAMES)}")


def alike(code: str) -> frozenset[str]:
    """The languages that count as `code`, because no detector can tell them apart in a sentence."""
    return next((group for group in _ALIKE if code in group), frozenset({code}))
