"""The model that is trained, with all that changes it, begun or gone on with."""

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from guerdon import DataError, Run
from guerdon_local import models, state
from guerdon_local.balancing import Balancer
from guerdon_local.batches import Batch, Row, collate
from guerdon_local.optimizer import Optimizer
from guerdon_local.quiet import quiet
from guerdon_local.reference import moving
from guerdon_local.training import GradientTrainer


class Learner:
    """A model with its optimizer and its router balancing, as the stage begins or as a checkpoint left them."""

    def __init__(self, run: Run, options: GradientTrainer, total: int, *, scores: bool = False) -> None:
        """`total`: the steps of the stage. `scores`: the model is trained to score texts, and not to write them.

        Raises DataError for a checkpoint that cannot be read.
        """
        restored = run.journal.restored
        self.run, self.options = run, options
        self.restored: dict[str, Any] = state.load(restored) if restored else {}
        """What `save` was given, if the stage goes on."""
        # A checkpoint has an adapter merged into it; what goes on is the adapter beside its own base.
        adapter = self.restored.get("adapter")
        if adapter and self.restored["started"] and run.start is None:
            what = "the earlier stage's last checkpoint is gone, and this one's adapter belongs to it"
            raise DataError(str(restored), what, "put it back, or begin anew with --overwrite")
        place = run.checkpoint() if restored is None or adapter else restored
        self.model = models.load(place, train=True, scores=scores)
        self.device: torch.device = next(self.model.module.parameters()).device
        if options.gradient_checkpointing:
            with quiet(0):  # newer transformers have another name for it, and say so
                self.model.module.gradient_checkpointing_enable({"use_reentrant": False})
        self.balancer = Balancer(self.model.module)
        self.optimizer = Optimizer(self.model.module, options, total)
        # The libraries' million objects stay: going through them for garbage is a tenth of a small model's step.
        gc.collect()
        gc.freeze()
        if restored:
            try:
                if adapter:
                    for name, one in moving(self.model.module).items():
                        one.data.copy_(adapter[name])
                self.optimizer.adamw.load_state_dict(self.restored["optimizer"])
                self.optimizer.skipped = self.restored["skipped"]
            except (KeyError, ValueError, RuntimeError) as error:
                what = f"does not belong to this policy: {error}"
                raise DataError(str(restored / state.FILE), what, "resume with the run file that saved it") from error

    def collate(self, rows: Sequence[Row]) -> Batch:
        """Rows as tensors on the model's device."""
        pad = self.model.tokenizer.pad_token_id
        return collate(rows, 0 if pad is None else pad, self.device)

    def begin(self, seed: int) -> None:
        """Before a step: no gradients, and a dropout (where a model has one) that depends on the seed alone."""
        torch.manual_seed(seed)
        self.model.module.train()
        self.optimizer.begin()

    def step(self, step: int, loss: float) -> dict[str, float]:
        """Apply the gradients that are there, and balance the experts. Returns metrics."""
        metrics = self.optimizer.step(step, loss)
        loads = self.balancer.move(0.0 if self.optimizer.skipped else self.options.bias_update_speed)
        if loads:
            metrics["experts/load"] = max(loads.values())
        return metrics | {f"experts/layer_{layer}/load": load for layer, load in loads.items()}

    def save(self, directory: Path, more: Mapping[str, Any]) -> None:
        """Write a complete checkpoint, and into `trainer/` what it takes to go on: `more` comes back in `restored`."""
        models.save(self.model, directory)
        module = self.model.module
        kept = {"optimizer": self.optimizer.adamw.state_dict(), "skipped": self.optimizer.skipped, **more}
        if hasattr(module, "peft_config"):
            kept["adapter"] = {name: one.detach() for name, one in moving(module).items()}
            kept["started"] = self.run.start is not None
        state.save(directory, kept)
