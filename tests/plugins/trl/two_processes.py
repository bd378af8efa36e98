"""One of two processes that train together: `torchrun --nproc-per-node 2 two_processes.py DIRECTORY BATCH REWARD`."""

import json
import sys
from pathlib import Path

from tiny_trl import logged, trained

from guerdon_trl import reward_funcs


def main() -> None:
    directory, batch, reward = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    path = directory / "mix.toml"
    functions = reward_funcs(
        path, group_size=4 if reward == "longest" else None, directory=directory / "kept", workers=1
    )
    rows = [{"prompt": f"Question {i}: "} for i in range(6)]
    trainer = trained(directory, functions, rows, per_device_train_batch_size=batch, ddp_backend="gloo", max_steps=1)
    if trainer.accelerator.is_main_process:
        facts = {"logs": logged(trainer), "totals": list(trainer._logs["rewards"]["guerdon"])}
        (directory / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main()
