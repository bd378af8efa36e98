"""What goes to a node and what comes back: JSON in bytes, as to and from a worker, so that every bit arrives."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from guerdon import wire
from guerdon.errors import GuerdonError, RewardBroken
from guerdon.jsonvalues import plain
from guerdon.ledger import total_of, verdict
from guerdon.scoring import Chunk
from guerdon.totals import Total
from guerdon.types import Rollout


@dataclass(frozen=True)
class Work:
    """A chunk as an actor gets it. `groups`: the name of each rollout's group, where a reward compares rollouts."""

    number: int
    rollouts: list[Rollout]
    groups: list[str] | None


@dataclass(frozen=True)
class Scored:
    """The totals of the chunk of this number."""

    number: int
    totals: list[Total]


def pack_work(chunks: Sequence[Chunk], with_groups: bool) -> bytes:
    """Chunks, to be scored by an actor."""
    return wire.dump(
        [
            {
                "number": chunk.number,
                **wire.from_unit(wire.Unit(chunk.rollouts)),
                "groups": [one.group or "" for one in chunk.read] if with_groups else None,
            }
            for chunk in chunks
        ]
    )


def unpack_work(parcel: bytes) -> list[Work]:
    """What `pack_work` packed."""
    return [Work(one["number"], list(wire.to_unit(one).rollouts), one["groups"]) for one in json.loads(parcel)]


def pack_scored(scored: Sequence[Scored]) -> bytes:
    """Chunks that are scored."""
    chunks = [{"number": one.number, "verdicts": [verdict(total) for total in one.totals]} for one in scored]
    try:
        return wire.dump(chunks)
    except TypeError:
        return wire.dump(plain(chunks))  # evidence that never saw a worker


def pack_error(error: GuerdonError) -> bytes:
    """Why an actor cannot go on."""
    broken = isinstance(error, RewardBroken)
    return wire.dump({"broken": broken, "where": error.where, "what": error.what, "way_out": error.way_out})


def unpack_scored(parcel: bytes) -> list[Scored]:
    """What `pack_scored` packed. Raises what `pack_error` packed."""
    plain = json.loads(parcel)
    if isinstance(plain, dict):
        kind = RewardBroken if plain["broken"] else GuerdonError
        raise kind(plain["where"], plain["what"], plain["way_out"])
    return [Scored(one["number"], [total_of(each) for each in one["verdicts"]]) for one in plain]
