"""reasoning-gym's own scorers, kept from running what they score as code.

Five of them `eval` a list in the answer or in the entry, five hand the answer to sympy's `parse_expr`, which is an
`eval` too, and one evals a sum in the entry. Their modules get readers in place of these here, so import this module
only where scoring is done.
"""

import ast
import contextlib
import io
import json
from functools import lru_cache
from typing import Any

import reasoning_gym
import sympy
from reasoning_gym.algebra import intermediate_integration, polynomial_multiplication, simple_integration
from reasoning_gym.algorithmic import binary_matrix, number_sorting, spiral_matrix, string_insertion
from reasoning_gym.arithmetic import bitwise_arithmetic
from reasoning_gym.games import countdown, n_queens, puzzle24

from guerdon import BadGroundTruth
from guerdon_reasoning_gym.expressions import sympy_expression, whole_number
from guerdon_reasoning_gym.replaced import REPLACED


class SympyWithoutParser:
    """sympy, but for its parser."""

    parse_expr = staticmethod(sympy_expression)

    def __getattr__(self, name: str) -> Any:
        return getattr(sympy, name)


READERS: dict[Any, dict[str, Any]] = {
    binary_matrix: {"eval": ast.literal_eval},
    n_queens: {"eval": ast.literal_eval},
    number_sorting: {"eval": ast.literal_eval},
    spiral_matrix: {"eval": ast.literal_eval},
    string_insertion: {"eval": ast.literal_eval},
    bitwise_arithmetic: {"eval": whole_number},
    countdown: {"parse_expr": sympy_expression},
    puzzle24: {"parse_expr": sympy_expression},
    intermediate_integration: {"sympy": SympyWithoutParser()},
    simple_integration: {"sympy": SympyWithoutParser()},
    polynomial_multiplication: {"sp": SympyWithoutParser()},
}
"""What the modules that would run code find under these names."""

for module, readers in READERS.items():
    for name, reader in readers.items():
        setattr(module, name, reader)


def score(name: str, config: dict[str, Any], answer: str, entry: dict[str, Any]) -> float:
    """What the dataset of that name gives an answer to its entry, from 0 to 1.

    Raises BadGroundTruth if there is no such dataset, or if it does not take the options.
    """
    if name in REPLACED:
        return REPLACED[name](answer, entry)
    try:
        dataset = _dataset(name, json.dumps(config, sort_keys=True))
    except Exception as error:
        raise BadGroundTruth(f"reasoning-gym cannot make the dataset '{name}' with {config}: {error}") from error
    with contextlib.redirect_stdout(io.StringIO()):  # some print what is wrong with an answer
        return float(dataset.score_answer(answer, entry))


@lru_cache(maxsize=256)
def _dataset(name: str, config: str) -> Any:
    return reasoning_gym.create_dataset(name, seed=0, size=1, **json.loads(config))
