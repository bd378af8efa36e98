"""Supervised fine-tuning by the real OpenRLHF: its options, and the command line that they come to."""

from typing import ClassVar

from pydantic import Field

from guerdon import Run
from guerdon_openrlhf.options import Arguments
from guerdon_openrlhf.places import Places
from guerdon_openrlhf.supervised import SupervisedTrainer


class OpenrlhfSft(SupervisedTrainer):
    """Cross entropy on demonstrations by OpenRLHF 0.11.2, on the GPUs of one machine.

    `task.metadata["completion"]` is what follows the prompt, without its end, as for `sft`; only it is learnt.
    """

    name: ClassVar[str] = "openrlhf-sft"

    epochs: float = Field(1.0, gt=0)
    """How often each demonstration is learnt from, where `steps` is not set. DeepSeek-R1: 2 to 3."""
    batch_size: int = Field(32, gt=0)
    """Demonstrations of one optimizer step."""
    learning_rate: float = Field(2e-5, gt=0)
    """The highest learning rate of AdamW. DeepSeek-R1's cold start goes from 5e-5 to 5e-6 (arXiv 2501.12948v2)."""
    max_length: int = Field(1024, gt=0)
    """Tokens of prompt and completion together; what is longer is cut off at its end."""

    def arguments(self, places: Places, model: str, seed: int, *, steps: int, resume: bool) -> Arguments:
        """The arguments of `openrlhf.cli.train_sft`. `model`: the checkpoint directory to begin with."""
        return [
            *self.shared_by_rows(places, model, seed, steps=steps, resume=resume),
            *("--data.input_key", "prompt"),
            *("--data.output_key", "completion"),
            *("--data.input_template", ""),
            *self.more_arguments,
        ]

    def fit(self, run: Run) -> None:
        """Train for `steps`, or what an interruption has left of them."""
        from guerdon_openrlhf.fitting_sft import fit

        fit(self, run)

    def dry_run(self, run: Run) -> str:
        """The command line, checked by OpenRLHF's own parser."""
        from guerdon_openrlhf.fitting_sft import plan

        return plan(self, run)
