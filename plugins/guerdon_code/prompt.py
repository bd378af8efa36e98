"""What tests use and only the prompt defines, such as `poly` of HumanEval/32: it is the task's, not the program's."""

import ast
from collections.abc import Iterator

from guerdon import Task
from guerdon_code.extraction import blocks_in


def helpers_in(task: Task, entry_point: str) -> str:
    """Source of the functions with a body that a task's prompt defines, other than the entry point, and what they need.

    Read are the text, or the content of chat messages, where that is Python as it stands; else its fenced code blocks
    that are. Classes are left out: their objects are the program's, and must live where it does.
    """
    prompt = task.prompt
    texts = [prompt] if isinstance(prompt, str) else [text for one in prompt for text in _texts(one.get("content"))]
    kept: list[ast.stmt] = []
    for text in texts:
        whole = _parsed(text)
        for tree in [whole] if whole is not None else map(_parsed, blocks_in(text)):
            kept += [node for node in tree.body if _serves(node, entry_point)] if tree is not None else []
    if not any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in kept):
        return ""
    return ast.unparse(ast.Module(kept, []))


def _texts(content: object) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):  # parts, some of which may be pictures
        yield from (part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str))


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _serves(node: ast.stmt, entry_point: str) -> bool:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return node.name != entry_point and not all(map(_is_empty, node.body))
    if isinstance(node, ast.Assign):
        try:
            ast.literal_eval(node.value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return False
        return True
    return isinstance(node, ast.Import | ast.ImportFrom)


def _is_empty(node: ast.stmt) -> bool:
    """A docstring, `...`, `pass` or `raise NotImplementedError`."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Raise) and "NotImplemented" in ast.unparse(node))
