"""Rollouts through Ray Data: read on this machine, scored on all nodes, and back in the order of the file.

Nothing is held as a whole: what is read waits until an actor has room for it, and what is scored until it is written.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, cycle
from typing import TYPE_CHECKING, Any

from guerdon.errors import DataError, GuerdonError
from guerdon.scaling.cluster import Node, connected, imported, last_line
from guerdon.scaling.judge import Attempts, Judge, Order, order_of, table
from guerdon.scaling.nodes import check_nodes
from guerdon.scaling.parcels import Scored, pack_work, unpack_scored
from guerdon.scoring import CHUNK_CHARACTERS, Chunk, RolloutsFile

if TYPE_CHECKING:
    import pyarrow as pa

    from guerdon.runfile import RunFile
    from guerdon.totals import Total

PARCEL_CHUNKS = 8
"""Chunks that travel together. Ray Data takes some 20 ms for each parcel, however small."""
PARCELS_AT_ONCE = 4
"""Parcels that an actor works on, so that it has work while one slow rollout holds one of them up."""
CLAIM = 0.01
"""CPUs that an actor claims of Ray. Not what it uses, which is all of its node: the actor of a node that died would
find no room on the others, and Ray Data would wait for it for ever."""


@contextmanager
def on_ray(run: "RunFile", address: str | None, workers: int | None) -> Iterator["Scorer"]:
    """What scores with the rewards of a run file on every node of the Ray at `address`; see `connected` for that.

    `workers`: worker processes per isolated reward on each node; None for one to each of its CPUs. Raises GuerdonError
    where there is no Ray, and where a node cannot score: it lacks a plugin, or has another version of it.
    """
    order = order_of(run)
    with connected(address) as nodes:
        check_nodes(nodes, order)
        yield Scorer(nodes, order, workers, run.mixture().needs_groups)


class Scorer:
    """The nodes of a Ray, ready to score."""

    def __init__(self, nodes: Sequence[Node], order: Order, workers: int | None, with_groups: bool) -> None:
        self.nodes, self.order, self.workers, self.with_groups = nodes, order, workers, with_groups

    def score(self, file: RolloutsFile, chunks: Iterator[Chunk]) -> Iterator[tuple[Chunk, "Sequence[Total]"]]:
        """Every chunk with its totals, in order. `chunks` are those of `file`, from any one on.

        A worker, actor or node that dies takes nothing with it: what it was scoring is scored again. Raises what the
        mixture of an actor raised, and GuerdonError where Ray itself is at an end.
        """
        first = next(chunks, None)
        if first is None:
            return
        scored = self._scored(file, first.number)
        for chunk in chain([first], chunks):
            one = next(scored, None)
            if one is None or one.number != chunk.number or len(one.totals) != len(chunk.read):
                raise DataError(str(file.path), "was changed while it was scored", "begin again with --overwrite")
            yield chunk, one.totals

    def _scored(self, file: RolloutsFile, first: int) -> Iterator[Scored]:
        ray = imported()
        try:
            for batch in self._dataset(file, first).iter_batches(
                batch_size=None, batch_format="pyarrow", prefetch_batches=0
            ):
                for parcel in batch["parcel"]:
                    yield from unpack_scored(parcel.as_py())
        except ray.exceptions.RayError as error:
            way_out = "what is scored is kept with --out; see Ray's logs, and go on with --resume"
            raise GuerdonError("Ray", f"could not go on: {last_line(error)}", way_out) from None

    def _dataset(self, file: RolloutsFile, first: int) -> Any:
        ray = imported()
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        _set_up(ray.data.DataContext.get_current())
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        attempts = ray.remote(num_cpus=0, max_restarts=-1, scheduling_strategy=here)(Attempts).remote()
        places = cycle(self.nodes)

        def next_place() -> dict[str, Any]:
            return {"scheduling_strategy": NodeAffinitySchedulingStrategy(next(places).id, soft=True)}

        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Read by one task that streams: the rows of a compressed file have no other order.
            return (
                ray.data.from_items([{"first": first}], override_num_blocks=1)
                .map_batches(
                    read,
                    fn_kwargs={
                        "file": ray.put(replace(file, path=file.path.resolve())),
                        "with_groups": self.with_groups,
                    },
                    batch_format="pyarrow",
                    num_cpus=0,
                    scheduling_strategy=here,
                )
                .map_batches(
                    Judge,
                    fn_constructor_args=(self.order, self.workers, attempts),
                    batch_size=None,
                    batch_format="pyarrow",
                    compute=ray.data.ActorPoolStrategy(
                        size=len(self.nodes),
                        max_tasks_in_flight_per_actor=2 * PARCELS_AT_ONCE,
                        enable_true_multi_threading=True,
                    ),
                    num_cpus=CLAIM,
                    max_concurrency=PARCELS_AT_ONCE,
                    max_restarts=-1,
                    max_task_retries=-1,
                    ray_remote_args_fn=next_place,
                )
            )


def read(batch: "pa.Table", file: Any, with_groups: bool) -> "Iterator[pa.Table]":
    """The rollouts of a file as parcels of work. `batch` says which chunk is the first."""
    ray = imported()
    source: RolloutsFile = ray.get(file)
    first = batch["first"][0].as_py()
    parcel: list[Chunk] = []
    for chunk in source.chunks():
        if chunk.number < first:
            continue
        parcel.append(chunk)
        if len(parcel) >= PARCEL_CHUNKS or sum(one.characters for one in parcel) >= CHUNK_CHARACTERS:
            yield _block(parcel, with_groups)
            parcel = []
    if parcel:
        yield _block(parcel, with_groups)


def _block(chunks: Sequence[Chunk], with_groups: bool) -> "pa.Table":
    lines = f"{chunks[0].read[0].line} to {chunks[-1].read[-1].line}"
    return table(pack_work(chunks, with_groups), lines)


def _set_up(context: Any) -> None:
    """Ray Data as it has to be: in order, every parcel by itself and at once, and silent."""
    context.execution_options.preserve_order = True
    context.target_max_block_size = 1
    context.target_min_block_size = 1
    context.enable_progress_bars = False
