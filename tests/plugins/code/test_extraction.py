"""Which part of an answer is the program."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guerdon_code.extraction import program_in


@pytest.mark.parametrize(
    ("answer", "program"),
    [
        ("print(1)", "print(1)"),
        ("```python\nprint(1)\n```", "print(1)\n"),
        ("```\nprint(1)\n```", "print(1)\n"),
        ("```py title='x' linenos\nprint(1)\n```\nThat is it.", "print(1)\n"),
        ("First\n```python\nprint(1)\n```\nbetter\n```python\nprint(2)\n```\ndone", "print(2)\n"),
        ("~~~python\nprint(1)\n~~~", "print(1)\n"),
        ("```python\nprint(1)\nprint(2)", "print(1)\nprint(2)\n"),
        ("```python\r\nprint(1)\r\n```\r\n", "print(1)\n"),
        ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''\n"),
        ("~~~\n```\nx\n```\n~~~", "```\nx\n```\n"),
        ("1. Like this:\n\n    ```python\n    if x:\n        y\n    ```\n", "if x:\n    y\n"),
        ("> ```python\n> print(1)\n> ```", "print(1)\n"),
        ("- item\n  ```python\n  a\nb\n  ```", "a\nb\n"),
        ("Use ```x``` here.\nprint(1)", "Use ```x``` here.\nprint(1)"),
        ("```x``` is inline\n```\nprint(1)\n```", "print(1)\n"),
        ("```python\nprint(1)\n```\nSo we are done.\n```", "print(1)\n"),
        ("```python\nprint(1)\n```\n```python\n", "print(1)\n"),
        ("```python\n```", "\n"),
        ("", ""),
        ('```python\nprint("```")\n```', 'print("```")\n'),
        ('```python\ns = """\n```js\n"""\n```', 's = """\n```js\n"""\n'),
    ],
)
def test_the_last_fenced_block_is_the_program(answer: str, program: str) -> None:
    assert program_in(answer) == program


@given(st.text(alphabet="`~ \tab\n>x\r"))
def test_any_answer_has_a_program_that_is_no_longer(answer: str) -> None:
    assert len(program_in(answer)) <= len(answer) + 1


@given(
    st.lists(
        st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])).filter(lambda s: "`" not in s and "~" not in s)
    )
)
def test_what_is_fenced_comes_out_as_it_went_in(lines: list[str]) -> None:
    if any(line.strip() for line in lines):
        assert program_in("Here:\n```python\n" + "\n".join(lines) + "\n```\nbye") == "\n".join(lines) + "\n"
