"""Rollouts on their way to a server: what was submitted together, and what travels together."""

import concurrent.futures
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from guerdon.errors import DataError, GuerdonError
from guerdon.ledger import total_of
from guerdon.remote.protocol import row_of
from guerdon.totals import Total
from guerdon.types import Rollout
from guerdon.wire import dump

MOST_ROLLOUTS, MOST_BYTES = 64, 1 << 20
"""What travels together, at most, unless one group is larger. Its slowest rollout is what all of it waits for."""


class Submission:
    """What was submitted together. Its future is done when the last of its rollouts is, or the first one fails."""

    def __init__(self, count: int) -> None:
        self.future: concurrent.futures.Future[list[Total]] = concurrent.futures.Future()
        self.totals: list[Total | None] = [None] * count
        self.left = count
        # What is on its way cannot be called back.
        self.future.set_running_or_notify_cancel()
        if not count:
            self.future.set_result([])

    def settle(self, places: Sequence[int], totals: Sequence[Total]) -> None:
        """These of its rollouts have their totals."""
        for place, total in zip(places, totals, strict=True):
            self.totals[place] = total
        self.left -= len(places)
        if not self.left and not self.future.done():
            self.future.set_result([total for total in self.totals if total is not None])

    def fail(self, error: BaseException) -> None:
        """One of its rollouts cannot have a total."""
        if not self.future.done():
            self.future.set_exception(error)


@dataclass(frozen=True)
class Piece:
    """Rollouts of one submission that are not separated: their places in it, and their rows as JSON."""

    submission: Submission
    places: Sequence[int]
    rows: Sequence[bytes]

    @property
    def bytes(self) -> int:
        """The length of its rows."""
        return sum(map(len, self.rows))


@dataclass
class Batch:
    """What travels together."""

    pieces: list[Piece] = field(default_factory=list)
    count: int = 0
    size: int = 0
    losses: int = 0
    """How often it did not arrive."""

    def add(self, piece: Piece) -> None:
        """Take it along."""
        self.pieces.append(piece)
        self.count += len(piece.rows)
        self.size += piece.bytes

    def fits(self, piece: Piece, most: int) -> bool:
        """Whether there is room for it, too, where `most` rollouts travel together."""
        return not self.pieces or (self.count + len(piece.rows) <= most and self.size + piece.bytes <= MOST_BYTES)

    def body(self) -> bytes:
        """The request."""
        return b'{"rollouts":[' + b",".join(row for piece in self.pieces for row in piece.rows) + b"]}"

    def settle(self, verdicts: Sequence[Mapping[str, Any]]) -> None:
        """Hand out what the server said."""
        try:
            totals = [total_of(said) for said in verdicts]
        except (ValueError, LookupError, TypeError) as error:
            self.fail(GuerdonError("reward server", f"sent what is no verdict: {error!r}", "is it of this version?"))
            return
        if len(totals) != self.count:
            self.fail(GuerdonError("reward server", f"sent {len(totals)} verdicts for {self.count} rollouts"))
            return
        self.give(totals)

    def give(self, totals: Sequence[Total]) -> None:
        """Hand out totals, in the order of its rollouts."""
        start = 0
        for piece in self.pieces:
            piece.submission.settle(piece.places, totals[start : start + len(piece.rows)])
            start += len(piece.rows)

    def fail(self, error: BaseException) -> None:
        """None of its rollouts can have a total."""
        for piece in self.pieces:
            piece.submission.fail(error)


def pieces_of(submission: Submission, rollouts: Sequence[Rollout], groups: Sequence[str] | None) -> list[Piece]:
    """A submission's rollouts, group by group where there are groups. Raises DataError for what no JSON can hold."""
    rows = [_encoded(number, rollout, groups[number] if groups else None) for number, rollout in enumerate(rollouts)]
    if groups is None:
        return [Piece(submission, [number], [row]) for number, row in enumerate(rows)]
    members: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        members.setdefault(group, []).append(number)
    return [Piece(submission, places, [rows[place] for place in places]) for places in members.values()]


def _encoded(number: int, rollout: Rollout, group: str | None) -> bytes:
    try:
        return dump(row_of(rollout, group))
    except (TypeError, ValueError, RecursionError) as error:
        what = f"number {number}, of the task '{rollout.task.id}', cannot be sent: {error}"
        raise DataError("rollouts", what, "ground truth and metadata are JSON values") from None
