"""The actor that scores on a node, with a mixture of its own: rebuilt from what the run file says, never pickled."""

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guerdon import registry, runfile
from guerdon.errors import GuerdonError, PluginError, RewardBroken
from guerdon.plugs import Plug
from guerdon.scaling.cluster import alive, imported
from guerdon.scaling.parcels import Scored, pack_error, pack_scored, unpack_work

if TYPE_CHECKING:
    import pyarrow as pa

    from guerdon.runfile import RunFile

MOST_ATTEMPTS = 5
"""How often a parcel may lose the actor that has it, before it is held to be the reason."""


@dataclass(frozen=True)
class Order:
    """What every node is told before it scores anything. Plain data."""

    path: str
    """The run file's, for messages: no node needs to have it."""
    rewards: Mapping[str, Any]
    """Its `[rewards]`, with the overrides in them."""
    directory: str
    """Where guerdon was called: relative paths in options mean the same on a node that has it."""
    brought: Mapping[str, tuple[str, str]]
    """By distribution: what it brings that is used, and its version where guerdon was called."""

    def run_file(self) -> "RunFile":
        """The rewards, built with the plugins that are installed here. Raises GuerdonError."""
        with suppress(OSError):
            os.chdir(self.directory)
        for name, (what, there) in self.brought.items():
            _check_version(name, what, there)
        try:
            run = runfile.parse({"rewards": self.rewards}, Path(self.path), "")
        except GuerdonError as error:
            broken = "".join(f"\n  {one}" for one in registry.load().broken)
            raise PluginError(error.where, str(error).removeprefix(f"{error.where}: ") + broken) from None
        for term in run.terms:
            term.reward.check_needs(f"rewards.{term.name}")
        return run


def order_of(run: "RunFile") -> Order:
    """The order to score with the rewards of this run file."""
    brought = {"guerdon": "what scores"}
    for term in run.terms:
        brought |= _brought(term.reward)
    versions = {name: (what, version(name)) for name, what in brought.items()}
    return Order(str(run.path), run.table["rewards"], os.getcwd(), versions)


class Attempts:
    """Counts how often a parcel was begun: an actor that is killed by one would be started again for ever."""

    def __init__(self) -> None:
        self.begun: Counter[str] = Counter()

    def begin(self, lines: str) -> int:
        """Which attempt at these lines this is, from 1."""
        self.begun[lines] += 1
        return self.begun[lines]


class Judge:
    """Scores chunks, several at a time. Ray Data calls it from several threads."""

    def __init__(self, order: Order, workers: int | None, attempts: Any) -> None:
        """`workers`: worker processes per isolated reward; None for one to each CPU that Ray has on this node.

        `attempts` is the handle of an `Attempts`.
        """
        threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
        self.attempts = attempts
        here = imported().get_runtime_context().get_node_id()
        node = next(one for one in alive() if one.id == here)
        self.node = node.name
        self.error: GuerdonError | None = None
        try:
            self.mixture = order.run_file().mixture(workers or node.cpus)
            self.mixture.open()
        except GuerdonError as error:
            # Raised here, it would be a page of Ray's; the first chunk takes it home.
            self.error = self._of_this_node(error)

    def __call__(self, batch: "pa.Table") -> Iterator["pa.Table"]:
        """A table of parcels of work becomes tables with one parcel each of what is scored, in order.

        How many there are must not hang on time: when an actor is lost in the middle, Ray skips as many of the next
        one's as it has of the first one's, whatever is in them.
        """
        if self.error is not None:
            yield table(pack_error(self.error))
            return
        try:
            for parcel, lines in zip(batch["parcel"], batch["lines"], strict=True):
                self._begin(lines.as_py())
                yield table(pack_scored(self._scored(parcel.as_py())))
        except RewardBroken as error:
            yield table(pack_error(error))
        except GuerdonError as error:
            yield table(pack_error(self._of_this_node(error)))

    def __del__(self) -> None:
        if getattr(self, "mixture", None) is not None:
            self.mixture.close()

    def _scored(self, parcel: bytes) -> list[Scored]:
        flying = [(work.number, self.mixture.submit(work.rollouts, work.groups)) for work in unpack_work(parcel)]
        return [Scored(number, future.result()) for number, future in flying]

    def _begin(self, lines: str) -> None:
        """Raise GuerdonError if too many have tried before."""
        ray = imported()
        with suppress(ray.exceptions.RayError):  # a count that is lost lets it try again
            if ray.get(self.attempts.begin.remote(lines)) > MOST_ATTEMPTS:
                what = f"the process that scores was lost {MOST_ATTEMPTS} times while it had these rollouts"
                raise GuerdonError(f"lines {lines}", what, "leave out those that no process survives, or --resume")

    def _of_this_node(self, error: GuerdonError) -> GuerdonError:
        return GuerdonError(f"node {self.node}", str(error))


def table(parcel: bytes, lines: str = "") -> "pa.Table":
    """A block of Ray Data's that holds one parcel, and says which lines of the file are in it."""
    import pyarrow as pa

    return pa.table({"parcel": pa.array([parcel], pa.large_binary()), "lines": [lines]})


def _end_with(parent: int) -> None:
    """End this process when the one that started it has ended: one that is busy was seen to outlive its Ray."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _check_version(name: str, what: str, there: str) -> None:
    try:
        here = version(name)
    except PackageNotFoundError:
        here = ""
    if here != there:
        is_ = f"is there in version {here}" if here else "is not installed there"
        raise PluginError(f"{name} {there}", f"{is_}, and brings {what}", f"pip install {name}=={there}")


def _brought(plug: Plug) -> dict[str, str]:
    """The distributions that bring this plug and those inside it, with what they bring."""
    found = {registry.load().plugs[plug.kind, plug.name].distribution: f"the {plug.kind} '{plug.name}'"}
    for value in vars(plug).values():
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(one, Plug):
                found |= _brought(one)
    return found
