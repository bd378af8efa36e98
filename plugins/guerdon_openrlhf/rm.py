"""Reward models by the real OpenRLHF: the trainer's options, and the command line that they come to."""

from typing import ClassVar

from pydantic import Field

from guerdon import Run
from guerdon_openrlhf.options import Arguments
from guerdon_openrlhf.places import Places
from guerdon_openrlhf.supervised import SupervisedTrainer


class OpenrlhfRm(SupervisedTrainer):
    """Makes a causal language model a reward model, from pairs, by OpenRLHF 0.11.2 on the GPUs of one machine.

    −log σ(chosen − rejected), as `preference` with `loss = "pairwise"`: a task's `metadata` has `chosen` and
    `rejected`. OpenRLHF ends every text with the end token and reads the score there, which `preference-model` does
    too. A checkpoint is a sequence classifier with one label. Metrics `eval/…` are of pairs that are not learnt from.
    """

    name: ClassVar[str] = "openrlhf-rm"

    epochs: float = Field(1.0, gt=0)
    """How often each pair is learnt from, where `steps` is not set. DeepSeek-R1: 1."""
    batch_size: int = Field(256, gt=0)
    """Pairs of one optimizer step. DeepSeek-R1: 256."""
    learning_rate: float = Field(6e-6, gt=0)
    """The highest learning rate of AdamW. DeepSeek-R1: 6e-6 (arXiv 2501.12948v2)."""
    max_length: int = Field(8192, gt=0)
    """Tokens of a prompt and an answer together, as DeepSeek-R1 trained with. A pair that has more is refused: OpenRLHF
    would cut it off."""
    held_out: float = Field(0.1, gt=0, lt=1)
    """The share of the prompts, chosen by their hashes, whose pairs are not learnt from but tried on."""
    eval_steps: int = Field(100, ge=0)
    """Try the held-out pairs every so many steps, and always at the end; 0 for the end only."""

    def arguments(self, places: Places, model: str, seed: int, *, steps: int, resume: bool) -> Arguments:
        """The arguments of `openrlhf.cli.train_rm`. `model`: the checkpoint directory to begin with."""
        return [
            *self.shared_by_rows(places, model, seed, steps=steps, resume=resume),
            *("--data.chosen_key", "chosen"),
            *("--data.rejected_key", "rejected"),
            *("--eval.dataset", str(places.held_out)),
            *("--eval.steps", str(self.eval_steps or -1)),
            "--model.compute_fp32_loss_enable",  # the difference of two scores in bfloat16 has three digits
            *self.more_arguments,
        ]

    def fit(self, run: Run) -> None:
        """Train for `steps`, or what an interruption has left of them."""
        from guerdon_openrlhf.fitting_rm import fit

        fit(self, run)

    def dry_run(self, run: Run) -> str:
        """The command line, checked by OpenRLHF's own parser."""
        from guerdon_openrlhf.fitting_rm import plan

        return plan(self, run)
