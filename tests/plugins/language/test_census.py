"""What counts as a word, and of which language."""

import pytest

from guerdon_language.census import census
from guerdon_language.detectors import lingua


def words(text: str, target: str = "en") -> dict[str, int]:
    return dict(census(text, target, lingua))


@pytest.mark.parametrize(
    "nothing",
    [
        "$x^2 + y^2 = r^2$",
        "$$\\sum_{k=1}^{n} k$$",
        "\\(a \\bmod b\\) \\[ \\frac{a}{b} = \\sqrt{2} \\]",
        "\\begin{align} y &= 2x \\\\ z &= x^2 \\end{align}",
        "\\frac{1}{2} \\alpha \\leq \\beta",
        "```python\nimport sympy\nprint(sympy.solve(x**2 - 5*x + 6, x))\n```",
        "`total += value`",
        "```\nwhile True: pass",
        "12 1,234.5 3/4 1e10 50%",
        "https://example.org/some/page?q=1 www.example.org someone@example.org",
        "<b></b><br/>",
        "x y z AB ABC x1 a_n 3cm sin cos",
        "→ ∴ ≤ 🙂",
        "",
    ],
)
def test_formulas_code_numbers_and_names_of_variables_are_in_no_language(nothing: str) -> None:
    assert words(nothing) == {}


def test_what_surrounds_formulas_is_counted() -> None:
    assert words("The angle $\\angle ABC$ is right, so we have \\(x=3\\).") == {"en": 7}


def test_two_prices_are_no_formula() -> None:
    assert words("It costs $5 and then he pays $10 for the rest.") == {"en": 9}


def test_letters_that_are_words_of_the_language_around_are_words() -> None:
    assert words("Let a be the number that I want.") == {"en": 8}
    assert words("Il y a un nombre.", "fr") == {"fr": 5}
    assert words("设点A和点B。", "zh").keys() == {"zh"}


def test_a_contraction_or_an_elision_is_one_word() -> None:
    assert words("It doesn't work.") == {"en": 3}
    assert words("L'angle d'un triangle, c'est quatre-vingts.", "fr") == {"fr": 5}


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Мы сложим оба уравнения и получим ответ.", "ru"),
        ("Ми додамо обидва рівняння і отримаємо відповідь.", "uk"),
        ("نجمع المعادلتين ثم نحصل على الجواب.", "ar"),
        ("پس این دو معادله را با هم جمع می‌کنیم.", "fa"),
        ("두 식을 더하면 답을 얻는다.", "ko"),
        ("二つの式を足すと答えが得られます。", "ja"),
        ("把两个方程相加就得到答案。", "zh"),
        ("把兩個方程式相加就得到答案。", "zh"),
        ("เราบวกสมการทั้งสองเข้าด้วยกัน", "th"),
        ("हम दोनों समीकरणों को जोड़ते हैं।", "hi"),
        ("Προσθέτουμε τις δύο εξισώσεις.", "el"),
        ("נחבר את שתי המשוואות ונקבל את התשובה.", "he"),
    ],
)
def test_scripts_tell_languages(text: str, language: str) -> None:
    assert words(text).keys() == {language}


def test_han_is_japanese_beside_kana_and_chinese_elsewhere() -> None:
    assert words("問題一。正三角形の面積を求めます。証明終了。").keys() == {"ja"}
    assert words("这个三角形的面积是多少。") == words("这个三角形的面积是多少。", "ja")
    assert words("面積を求めます。这意味着每个人都要和另外四个人握手。").keys() == {"ja", "zh"}


def test_a_switch_inside_a_sentence_is_found_where_it_is() -> None:
    assert words("Por simetría, los otros tres casos dan el mismo número because the function is even.") == {
        "es": 10,
        "en": 5,
    }
    assert words("我们先展开左边的乘积 and then we substitute.") == {"zh": 6, "en": 4}


def test_a_foreign_name_does_not_switch_the_language() -> None:
    assert words("We use the theorem of Cauchy and Schwarz in the usual way.") == {"en": 12}


def test_code_without_a_fence_is_not_taken_for_a_foreign_language() -> None:
    text = (
        "We add the prices of all the apples that he bought.\ntotal_cost = apple_cost + orange_cost\nprint(total_cost)"
    )
    assert words(text).keys() == {"en"}
