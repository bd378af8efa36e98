"""What the client and the server of `/score` agree upon: rows, a token, and whose mixture it is."""

import os
from typing import Any

from guerdon.errors import GuerdonError
from guerdon.ledger import rollout_row
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
    """A rollout as the row of a request, without what is not known."""
    row = {**rollout_row(rollout), "group": group}
    return {name: value for name, value in row.items() if value is not None}
