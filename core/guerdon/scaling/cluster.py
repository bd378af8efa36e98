"""The Ray that scores: found or started within seconds, or one error that says why not, and left as it was found."""

import importlib
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from guerdon.errors import GuerdonError, PluginError

LOCAL = "local"
"""Not an address: a Ray of our own, on this machine, for as long as it takes."""
PATIENCE_SECONDS = 5.0
"""A cluster that does not answer in this time is not there. Ray itself would try for a minute."""
SETTINGS = b"\x04"
"""The type of an HTTP/2 frame, its fourth byte."""
HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + SETTINGS + bytes(5)
"""How an HTTP/2 client begins. gRPC, which Ray speaks, answers with settings of its own."""


@dataclass(frozen=True)
class Node:
    """A machine of the cluster that has CPUs for us."""

    id: str
    name: str
    cpus: int


@contextmanager
def connected(address: str | None) -> Iterator[list[Node]]:
    """The nodes of a running Ray at `address` (`HOST:PORT`, or `auto` for the one that this machine belongs to).

    Without an address it is that of $RAY_ADDRESS, and without one, or with `local`, a Ray of our own that ends with the
    context. Nothing that we did not start is ended. Raises GuerdonError.
    """
    _quieten()
    ray = imported()
    address = address or os.environ.get("RAY_ADDRESS") or LOCAL
    where = f"Ray at {address}" if address != LOCAL else "Ray"
    if address == LOCAL:
        options: dict[str, Any] = {"num_cpus": len(os.sched_getaffinity(0)), "include_dashboard": False}
    else:
        _look_for(address, where)
        options = {}
    try:
        try:
            with _hushed():
                ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, **options)
        except Exception as error:
            way_out = "run guerdon on a node of the cluster; `ray status` there says how it is"
            raise GuerdonError(where, f"cannot be used: {' '.join(str(error).split())}", way_out) from None
        nodes = alive()
        if not nodes:
            raise GuerdonError(where, "no node of it has a CPU", "start one with `ray start --address …`")
        yield nodes
    finally:
        ray.shutdown()


def imported() -> Any:
    """The module `ray`, with Ray Data. Raises PluginError where it is not installed."""
    try:
        importlib.import_module("ray.data")
    except ImportError as error:
        what = f"needs Ray Data, which cannot be imported ({error})"
        raise PluginError("--ray", what, "pip install 'guerdon[ray]'") from None
    return importlib.import_module("ray")


def alive() -> list[Node]:
    """The nodes of the cluster that are alive and have CPUs, in an order that stays the same."""
    nodes = [
        Node(one["NodeID"], f"{one['NodeManagerAddress']} ({one['NodeManagerHostname']})", int(one["Resources"]["CPU"]))
        for one in imported().nodes()
        if one["Alive"] and one["Resources"].get("CPU", 0) >= 1
    ]
    return sorted(nodes, key=lambda node: node.id)


def last_line(error: BaseException) -> str:
    """What an error of Ray's says, without the page of traceback before it."""
    return (str(error).strip() or type(error).__name__).splitlines()[-1].strip().rstrip(".")


def _look_for(address: str, where: str) -> None:
    """Whether somebody listens at this address at all. Raises GuerdonError."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        way_out = "it is HOST:PORT, auto or local; for a ray:// address, run guerdon on a node of that cluster"
        raise GuerdonError(where, "is no address", way_out)
    way_out = "is the cluster running? `ray start --head` shows its address"
    try:
        with socket.create_connection((host.strip("[]"), int(port)), PATIENCE_SECONDS) as channel:
            channel.sendall(HELLO)
            greeting = channel.recv(4)
    except (OSError, OverflowError) as error:
        raise GuerdonError(where, f"cannot be reached: {error}", way_out) from None
    if greeting[3:] != SETTINGS and not os.environ.get("RAY_USE_TLS"):
        raise GuerdonError(where, "somebody else listens there: it does not speak gRPC, as Ray does", way_out)


@contextmanager
def _hushed() -> Iterator[None]:
    """In it, nothing reaches standard error: Ray's own threads write there, whatever its log level."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _quieten() -> None:
    """What Ray says of itself goes to its own logs, not among ours. To be called before it is imported."""
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
