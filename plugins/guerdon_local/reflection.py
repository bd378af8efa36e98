"""The words of second thoughts, counted as DeepSeek-R1's authors did to watch reflection grow."""

import re

# Nature's supplement to DeepSeek-R1 (arXiv 2501.12948v2): the frequency of "representative reflective words".
_ENGLISH = ("wait", "mistake", "however", "but", "retry", "error", "verify", "wrong", "evaluate", "check")
# What a model that thinks in Chinese says instead: the same ten, in simplified script and where it differs traditional.
_CHINESE = (
    "等等",
    "等一下",
    "错误",
    "錯誤",
    "然而",
    "不过",
    "不過",
    "但是",
    "重试",
    "重試",
    "再试",
    "再試",
    "出错",
    "出錯",
    "验证",
    "驗證",
    "不对",
    "不對",
    "评估",
    "評估",
    "检查",
    "檢查",
)
# A word ends at a Chinese character, though not at a letter with an accent: "début" has no "but".
_LETTER = r"[^\W\u3400-\u9fff]"
_WORDS = re.compile(rf"(?<!{_LETTER})(?:{'|'.join(_ENGLISH)})(?!{_LETTER})|{'|'.join(_CHINESE)}", re.IGNORECASE)


def reflection_words(text: str) -> int:
    """How often a text has one of the words; in Chinese, which has no spaces, as parts of the text. In linear time."""
    return sum(1 for _ in _WORDS.finditer(text))
