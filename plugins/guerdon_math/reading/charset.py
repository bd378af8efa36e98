"""Unicode to the ASCII and LaTeX that the lexer reads: digits of all scripts, super- and subscripts, symbols."""

import re
import unicodedata

_SYMBOLS = {
    "×": r"\times ", "÷": r"\div ", "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "⁻": "^{-}", "·": r"\cdot ",
    "⋅": r"\cdot ", "∙": r"\cdot ", "•": r"\cdot ", "∗": "*", "∕": "/", "⁄": "/", "√": r"\sqrt ", "∛": r"\cbrt ",
    "π": r"\pi ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ", "≦": r"\le ", "≧": r"\ge ",
    "≠": r"\ne ", "≈": r"\approx ", "≃": r"\approx ", "≅": r"\cong ", "≡": r"\equiv ", "±": r"\pm ", "∓": r"\mp ",
    "°": r"\degree ", "º": r"\degree ", "˚": r"\degree ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∉": r"\notin ",
    "∅": r"\emptyset ", "ø": r"\emptyset ", "Ø": r"\emptyset ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}",
    "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "∖": r"\setminus ", "∧": r"\land ", "∨": r"\lor ",
    "→": r"\to ", "⇒": r"\Rightarrow ", "∠": r"\angle ", "△": r"\triangle ", "′": "'", "’": "'", "‘": "'", "″": "''",
    "“": '"', "”": '"', "…": r"\ldots ", "⋯": r"\cdots ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ",
    "⌉": r"\rceil ", "⟨": r"\langle ", "⟩": r"\rangle ", "〈": r"\langle ", "〉": r"\rangle ", "∣": "|", "‖": r"\| ",
    "，": ",", "、": ",", "；": ";", "：": ":", "。": ".", "（": "(", "）": ")", "【": "[", "】": "]", "｛": r"\{",
    "｝": r"\}", "٫": ".", "٬": ",", "،": ",", "℃": r"\degree C", "℉": r"\degree F", "‰": r"\permil ", "€": r"\euro ",
    "£": r"\pounds ", "¥": r"\yen ", "￥": r"\yen ", "₹": r"\rupee ", "ℓ": r"\ell ", "ϕ": r"\phi ", "∆": r"\Delta ",
    "\u00a0": r"\,", "\u2009": r"\,", "\u202f": r"\,", "\u2007": r"\,", "\u2005": r"\,", "\u2006": r"\,",
    "\u2002": " ", "\u2003": " ", "\u3000": " ", "\u2062": "", "\u2061": "", "\u2063": ",",
}  # fmt: skip
_FRACTIONS = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5), "⅗": (3, 5),
    "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8), "⅞": (7, 8),
}  # fmt: skip
_GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "epsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "κ": "kappa", "λ": "lambda", "μ": "mu", "ν": "nu", "ξ": "xi", "ρ": "rho", "σ": "sigma", "τ": "tau", "φ": "phi",
    "χ": "chi", "ψ": "psi", "ω": "omega", "Γ": "Gamma", "Δ": "Delta", "Θ": "Theta", "Λ": "Lambda", "Σ": "Sigma",
    "Φ": "Phi", "Ψ": "Psi", "Ω": "Omega",
}  # fmt: skip
_TABLE: dict[int, str] = {ord(k): v for k, v in _SYMBOLS.items()}
_TABLE |= {ord(k): rf"\frac{{{a}}}{{{b}}}" for k, (a, b) in _FRACTIONS.items()}
_TABLE |= {ord(k): rf"\{v} " for k, v in _GREEK.items()}
# characters that are not seen: joiners, directional marks, the byte order mark
_TABLE |= dict.fromkeys((0xAD, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF, *range(0x202A, 0x202F)), "")
_TABLE |= dict.fromkeys(range(0x2066, 0x206A), "")

_SUPER = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿⁱˣ", "0123456789+-()nix", strict=True))
_SUB = dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₙₓ", "0123456789+-()nx", strict=True))
_SUPER_RUN = re.compile(f"[{''.join(_SUPER)}]+")
_SUB_RUN = re.compile(f"[{''.join(_SUB)}]+")
_CIRCLED = re.compile(r"[①-⑳](?:[\s,、，]*[①-⑳])*")


def to_ascii(text: str) -> str:
    """The text with every character that has an ASCII or LaTeX spelling spelled so. Words of other scripts stay."""
    if text.isascii():
        return text
    text = _CIRCLED.sub(lambda m: ",".join(str(ord(c) - 0x245F) for c in m[0] if "①" <= c <= "⑳"), text)
    text = _SUPER_RUN.sub(lambda m: "^{" + "".join(map(_SUPER.__getitem__, m[0])) + "}", text)
    text = _SUB_RUN.sub(lambda m: "_{" + "".join(map(_SUB.__getitem__, m[0])) + "}", text)
    text = text.translate(_TABLE)
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKC", text)
    digits = {ord(c): str(unicodedata.digit(c)) for c in set(text) if not c.isascii() and c.isdecimal()}
    # NFKC may bring forth what the table knows: a mathematical italic pi becomes a plain one
    return text.translate(_TABLE | digits)
