"""Randomness without a state: every use has a seed of its own, so that an interrupted run goes on as it was."""

import hashlib
import random
from collections.abc import Iterator


def derived(seed: int, *uses: str | int) -> int:
    """A seed for one use, such as the sampling of a step of a stage: below 2^63, and the same on every machine."""
    digest = hashlib.blake2b(repr((seed, *uses)).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def shuffled(count: int, seed: int, stage: str, cursor: int = 0) -> Iterator[int]:
    """The numbers below `count` in random order, in another one every epoch, without end; from the `cursor`-th on."""
    epoch, skipped = divmod(cursor, count)
    while True:
        order = list(range(count))
        random.Random(derived(seed, stage, "order", epoch)).shuffle(order)
        yield from order[skipped:]
        epoch, skipped = epoch + 1, 0
