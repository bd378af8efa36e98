"""The process that makes the tasks: `python -m guerdon_reasoning_gym.generate ORDER`, one JSON line for each.

A process of its own, because some generators go through sets and some draw from the global generator: their tasks
differ from run to run unless the hash seed is fixed, which is only possible at the start of a process.
"""

import contextlib
import json
import os
import random
import sys
from collections.abc import Iterator
from typing import Any

from guerdon_reasoning_gym.entry import to_json


def lines(names: list[str], size: int, seed: int, config: dict[str, dict[str, Any]]) -> Iterator[str]:
    """A JSON object for every task, from all datasets in turns; for one that cannot be made, why not, and the end."""
    import numpy
    import reasoning_gym

    datasets: dict[str, Any] = {}
    for index in range(size):
        for name in names:
            try:
                if name not in datasets:
                    datasets[name] = reasoning_gym.create_dataset(name, seed=seed, size=size, **config.get(name, {}))
                random.seed(seed + index)
                numpy.random.seed((seed + index) % (1 << 32))
                made = datasets[name][index]
                entry = {key: to_json(made[key]) for key in ("question", "answer", "metadata")}
                yield json.dumps({"name": name, "index": index, "entry": entry})
            except Exception as error:
                what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
                yield json.dumps({"name": name, "index": index, "broken": what})
                return


def main() -> None:
    """Write the lines that the first argument, a JSON object, orders."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # some generators print
    with contextlib.suppress(BrokenPipeError):
        for line in lines(**json.loads(sys.argv[1])):
            out.write(line + "\n")
            out.flush()


if __name__ == "__main__":
    main()
