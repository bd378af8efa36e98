"""Every node is asked, before anything is scored, whether it can: hours later it would be too late."""

from collections.abc import Sequence

from guerdon.errors import GuerdonError
from guerdon.scaling.cluster import Node, imported, last_line
from guerdon.scaling.judge import Order

PATIENCE_SECONDS = 120.0
"""A node that starts a process and imports guerdon in this time is well."""


def check_nodes(nodes: Sequence[Node], order: Order) -> None:
    """Raises GuerdonError that names every node that cannot score, and says why."""
    ray = imported()
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(num_cpus=0, max_retries=2)(fault)
    asked = {
        ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False)).remote(order): node
        for node in nodes
    }
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=PATIENCE_SECONDS)
    faults = {asked[ref]: f"does not answer for {PATIENCE_SECONDS:.0f} s" for ref in silent}
    for ref in answered:
        try:
            said = ray.get(ref)
        except ray.exceptions.RayError as error:
            said = f"cannot run guerdon: {last_line(error)}"
        if said:
            faults[asked[ref]] = said
    if faults:
        told = [f"node {node.name}: {said}" for node, said in faults.items()]
        what = f"{len(faults)} of {len(nodes)} cannot score with {order.path}"
        raise GuerdonError("nodes", "\n  ".join([what, *told]))


def fault(order: Order) -> str | None:
    """What keeps this node from scoring."""
    try:
        order.run_file()
    except GuerdonError as error:
        return str(error)
    return None
