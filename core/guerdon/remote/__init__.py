"""Rewards that are served elsewhere, used as if they were here: the client of `guerdon serve`."""

from guerdon.remote.fingerprint import fingerprint
from guerdon.remote.mixture import RemoteMixture

__all__ = ["RemoteMixture", "fingerprint"]
