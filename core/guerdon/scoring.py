"""Rows of a file through a mixture: in chunks, several at a time, and out in the order in which they came in."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guerdon.columns import Columns, rollout_of
from guerdon.errors import DataError
from guerdon.mixture import Mixture
from guerdon.rows import read_rows
from guerdon.totals import Total
from guerdon.types import Rollout

CHUNK_ROLLOUTS = 32
CHUNK_CHARACTERS = 8 << 20
"""A chunk is complete with either; only a group that is not over makes it longer. Small, or what a slow reward has
scored would stay unwritten for long."""
CHUNKS_IN_FLIGHT = 256
"""Many, so that the workers have work while one slow rollout holds up the chunk that is to be written next."""
CHARACTERS_IN_FLIGHT = 64 << 20


@dataclass(frozen=True)
class ReadRollout:
    """A row, and what it means. `line` counts as `guerdon.rows.read_rows` does."""

    line: int
    row: Mapping[str, Any]
    rollout: Rollout
    group: str | None


@dataclass
class Chunk:
    """Rollouts that are scored together and written together. `number` counts from 0 in the file."""

    number: int
    read: list[ReadRollout] = field(default_factory=list)
    characters: int = 0

    @property
    def rollouts(self) -> list[Rollout]:
        """Its rollouts, in the order of the file."""
        return [one.rollout for one in self.read]


def read_rollouts(
    path: Path, columns: Columns, on_bad: Callable[[DataError], None] | None = None
) -> Iterator[ReadRollout]:
    """The rollouts of a file. A row that is none raises DataError, or is handed to `on_bad` and skipped."""
    for line, row in read_rows(path, on_bad):
        try:
            rollout, group = rollout_of(row, f"{path}:{line}", columns)
        except DataError as error:
            if on_bad is None:
                raise
            on_bad(error)
            continue
        yield ReadRollout(line, row, rollout, group)


def chunked(rollouts: Iterable[ReadRollout], last_of_group: Mapping[str, int]) -> Iterator[Chunk]:
    """The rollouts in chunks; the same file always gives the same ones.

    `last_of_group`: the line of each group's last rollout, where groups must not be split; else empty.
    """
    chunk = Chunk(0)
    unfinished: set[str] = set()
    for one in rollouts:
        chunk.read.append(one)
        chunk.characters += len(one.rollout.completion)
        if one.group is not None and one.group in last_of_group:
            if last_of_group[one.group] == one.line:
                unfinished.discard(one.group)
            else:
                unfinished.add(one.group)
        if not unfinished and (len(chunk.read) >= CHUNK_ROLLOUTS or chunk.characters >= CHUNK_CHARACTERS):
            yield chunk
            chunk = Chunk(chunk.number + 1)
    if chunk.read:
        yield chunk


@dataclass(frozen=True)
class RolloutsFile:
    """A file of rollouts and how it is read: the same chunks every time, wherever that is."""

    path: Path
    columns: Columns
    skip_bad_lines: bool = False
    last_of_group: Mapping[str, int] = field(default_factory=dict)
    """See `chunked`."""

    def chunks(self) -> Iterator[Chunk]:
        """Its rollouts, in chunks. Raises DataError, for a line that is no rollout unless these are to be skipped."""
        skip = (lambda _: None) if self.skip_bad_lines else None
        return chunked(read_rollouts(self.path, self.columns, skip), self.last_of_group)


def score(mixture: Mixture, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, Sequence[Total]]]:
    """Every chunk with its totals, in order. Holds a bounded number of chunks; `mixture` must be open.

    Raises what `Mixture.submit` says. When the caller stops listening, what is in flight ends with the mixture.
    """
    flying: deque[tuple[Chunk, Future[list[Total]]]] = deque()
    for chunk in chunks:
        groups = [one.group or "" for one in chunk.read] if mixture.needs_groups else None
        flying.append((chunk, mixture.submit(chunk.rollouts, groups)))
        while flying and (_full(flying) or flying[0][1].done()):
            yield _landed(flying)
    while flying:
        yield _landed(flying)


def _full(flying: deque[tuple[Chunk, "Future[list[Total]]"]]) -> bool:
    characters = sum(chunk.characters for chunk, _ in flying)
    return len(flying) >= CHUNKS_IN_FLIGHT or characters >= CHARACTERS_IN_FLIGHT


def _landed(flying: deque[tuple[Chunk, "Future[list[Total]]"]]) -> tuple[Chunk, Sequence[Total]]:
    chunk, future = flying.popleft()
    return chunk, future.result()
