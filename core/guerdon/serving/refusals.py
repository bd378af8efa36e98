"""What a server says instead of scores: a status, and for each mistake where, what and the way out."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from guerdon.errors import GuerdonError


class Refusal(Exception):
    """A request that gets no scores."""

    def __init__(self, status: int, errors: Sequence[GuerdonError], **more: Any) -> None:
        """`more`: further keys of the answer."""
        super().__init__("; ".join(map(str, errors)))
        self.status, self.errors, self.more = status, errors, more

    @property
    def body(self) -> bytes:
        """The answer, as JSON."""
        errors = [
            {"kind": type(error).__name__, "where": error.where, "what": error.what, "way_out": error.way_out}
            for error in self.errors
        ]
        return json.dumps({"errors": errors, **self.more}).encode()

    @property
    def headers(self) -> Mapping[str, str]:
        """What the answer says besides."""
        headers = {"content-type": "application/json"}
        if "retry_after" in self.more:
            headers["retry-after"] = str(max(1, round(self.more["retry_after"])))
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        if self.status == 413:
            headers["connection"] = "close"  # what is still to come will not be read
        return headers


class Full(GuerdonError):
    """There is no room for more rollouts at the moment."""


class Draining(GuerdonError):
    """The server is about to end."""
