"""Supervised fine-tuning by the real OpenRLHF: its options, and the command line that they come to."""

from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import Field, model_validator

from guerdon import Run
from guerdon_openrlhf.options import Arguments, OpenrlhfTrainer, mistake
from guerdon_openrlhf.places import Places


class OpenrlhfSft(OpenrlhfTrainer):
    """Cross entropy on demonstrations by OpenRLHF 0.11.2, on the GPUs of one machine.

    `task.metadata["completion"]` is what follows the prompt, without its end, as for `sft`; only it is learnt.
    """

    name: ClassVar[str] = "openrlhf-sft"
    needs: ClassVar[Mapping[str, str]] = {"transformers": "pip install 'guerdon[local]'"}

    steps: int | None = Field(None, gt=0)
    """Optimizer steps; unless set, what `epochs` come to."""
    epochs: float = Field(1.0, gt=0)
    """How often each demonstration is learnt from, where `steps` is not set. DeepSeek-R1: 2 to 3."""
    batch_size: int = Field(32, gt=0)
    """Demonstrations of one optimizer step."""
    learning_rate: float = Field(2e-5, gt=0)
    """The highest learning rate of AdamW. DeepSeek-R1's cold start goes from 5e-5 to 5e-6 (arXiv 2501.12948v2)."""
    max_length: int = Field(1024, gt=0)
    """Tokens of prompt and completion together; what is longer is cut off at its end."""

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if self.steps is not None and "epochs" in self.model_fields_set:
            raise mistake("give `steps` or `epochs`, not both")
        if self.gpus_per_node % (self.ring_attn_size * self.tensor_parallel_size):
            raise mistake("tensor_parallel_size × ring_attn_size must divide gpus_per_node")
        if self.batch_size % (self.micro_batch_size * self.replicas):
            raise mistake(
                f"batch_size = {self.batch_size} cannot be divided among {self.replicas} replicas in micro-batches of "
                f"{self.micro_batch_size}"
            )
        return self

    @property
    def replicas(self) -> int:
        """Copies of the model that learn side by side."""
        return self.gpus_per_node // (self.ring_attn_size * self.tensor_parallel_size)

    def arguments(self, places: Places, model: str, seed: int, *, steps: int, resume: bool) -> Arguments:
        """The arguments of `openrlhf.cli.train_sft`. `model`: the checkpoint directory to begin with."""
        return [
            *("--model.model_name_or_path", model),
            *("--data.dataset", str(places.prompts)),
            *("--data.input_key", "prompt"),
            *("--data.output_key", "completion"),
            *("--data.input_template", ""),
            *("--data.max_len", str(self.max_length)),
            *("--data.max_samples", str(steps * self.batch_size)),
            *("--train.seed", str(seed)),
            *("--train.batch_size", str(self.batch_size)),
            *("--train.max_epochs", "1"),
            *self.shared_arguments("model", "", steps),
            *places.checkpoint_arguments(self.save_steps, resume),
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
