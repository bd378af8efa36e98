"""Whether two processes mean the same rewards: what the terms of a mixture are, in a few characters."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from guerdon.totals import Term

DIGITS = 12
"""Hexadecimal ones, for each term."""


def described(terms: Sequence[Term]) -> list[dict[str, Any]]:
    """The terms as plain data: what each is called, which reward it is with which options, and what it counts."""
    return [
        {
            "name": term.name,
            "reward": term.reward.name,
            "weight": term.weight,
            "gate": term.gate,
            "domains": None if term.domains is None else list(term.domains),
            "options": term.reward.model_dump(mode="json"),
        }
        for term in terms
    ]


def fingerprint(terms: Sequence[Term]) -> str:
    """The same text for the same terms with the same options in the same order, wherever it is asked.

    It has a part for each term, so that two of them say which terms differ. Versions of plugins are not in it.
    """
    return ".".join(_digest(one) for one in described(terms))


def difference(served: Mapping[str, Any], expected: str) -> str:
    """How the mixture of a server, as its `/health` has it, differs from the one with the expected fingerprint."""
    theirs, ours = str(served["fingerprint"]).split("."), expected.split(".")
    names = [str(term["name"]) for term in served["terms"]]
    others = [f"'{name}'" for name, part in zip(names, theirs, strict=False) if part not in ours]
    if others:
        subject = f"the reward {others[0]} differs" if len(others) == 1 else f"the rewards {', '.join(others)} differ"
        return f"{subject} in name, options, weight, gate or domains"
    if len(ours) != len(theirs):
        return f"it has {', '.join(names)}, and {len(ours)} rewards are meant"
    return "the order of the rewards differs"


def _digest(term: Mapping[str, Any]) -> str:
    # An integer weight and the same one as a float are one weight.
    canonical = {**term, "weight": float(term["weight"])}
    return hashlib.sha256(json.dumps(canonical, sort_keys=True).encode()).hexdigest()[:DIGITS]
