"""What the client and the server of `/score` agree upon: rows, a token, and whose mixture it is."""

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from guerdon.columns import rollout_of
from guerdon.errors import DataError, GuerdonError
from guerdon.types import Rollout

INSTALL = "pip install 'guerdon[serve]'"
TOKEN_VARIABLE = "GUERDON_TOKEN"
"""The environment variable that holds the bearer token, on both sides."""
FINGERPRINT_HEADER = "guerdon-fingerprint"
"""In a request: the mixture that is meant. A server with another one answers 409 and scores nothing."""


def token() -> str | None:
    """The bearer token of this environment, if there is one. Raises GuerdonError for one that cannot be sent."""
    found = os.environ.get(TOKEN_VARIABLE) or None
    if found is not None and not all("!" <= character <= "~" for character in found):
        raise GuerdonError(TOKEN_VARIABLE, "has characters that no HTTP header can carry", "use letters and digits")
    return found


def row_of(rollout: Rollout, group: str | None) -> dict[str, Any]:
    """A rollout as the row of a request, without what is empty."""
    task = rollout.task
    row = {
        "id": task.id,
        "prompt": task.prompt if isinstance(task.prompt, str) else [dict(message) for message in task.prompt],
        "completion": rollout.completion,
        "ground_truth": task.ground_truth,
        "domain": task.domain,
        "language": task.language,
        "metadata": dict(task.metadata) or None,
        "truncated": rollout.truncated or None,
        "prefill": rollout.prefill or None,
        "prompt_ids": _listed(rollout.prompt_ids),
        "completion_ids": _listed(rollout.completion_ids),
        "logprobs": _listed(rollout.logprobs),
        "group": group,
    }
    return {name: value for name, value in row.items() if value is not None}


def rollout_of_row(row: Mapping[str, Any], where: str) -> tuple[Rollout, str | None]:
    """The rollout of a row and its group: the columns of files, and `prompt_ids` and `logprobs`. Raises DataError."""
    rollout, group = rollout_of(row, where)
    if row.get("prompt_ids") is None and row.get("logprobs") is None:
        return rollout, group
    told = replace(
        rollout,
        prompt_ids=_numbers(row, "prompt_ids", (int,), where),
        logprobs=_numbers(row, "logprobs", (int, float), where),
    )
    return told, group


def _numbers(row: Mapping[str, Any], name: str, types: tuple[type, ...], where: str) -> list[Any] | None:
    values = row.get(name)
    if values is not None and not (isinstance(values, list) and all(type(one) in types for one in values)):
        expected = "a list of whole numbers" if types == (int,) else "a list of numbers"
        raise DataError(where, f"{name} is something else", f"it must be {expected}")
    return values


def _listed(values: Any) -> list[Any] | None:
    return None if values is None else list(values)
