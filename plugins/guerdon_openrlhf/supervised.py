"""What the trainers have in common that learn from rows of a file: demonstrations, or pairs."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Self

from pydantic import Field, model_validator

from guerdon_openrlhf.options import Arguments, OpenrlhfTrainer, mistake
from guerdon_openrlhf.places import Places


class SupervisedTrainer(OpenrlhfTrainer):
    """Options of one machine and of how much is learnt."""

    needs: ClassVar[Mapping[str, str]] = {"transformers": "pip install 'guerdon[local]'"}

    steps: int | None = Field(None, gt=0)
    """Optimizer steps; unless set, what `epochs` come to."""
    epochs: float = Field(1.0, gt=0)
    """How often each row is learnt from, where `steps` is not set."""
    batch_size: int = Field(32, gt=0)
    """Rows of one optimizer step."""
    max_length: int = Field(1024, gt=0)
    """Tokens of a prompt and what follows it."""

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

    @property
    def micro_batches(self) -> int:
        """Micro-batches of one step, in each process."""
        return self.batch_size // (self.micro_batch_size * self.replicas)

    def steps_for(self, rows: int) -> int:
        """How many steps so many rows come to."""
        return self.steps or max(round(self.epochs * rows / self.batch_size), 1)

    def words(self, module: str, arguments: Arguments) -> list[str]:
        """What Python is called with, to run one of OpenRLHF's programs on all GPUs of this machine."""
        processes = ["--standalone", "--nproc_per_node", str(self.gpus_per_node)]
        return ["-m", "torch.distributed.run", *processes, "-m", module, *arguments]

    def shared_by_rows(self, places: Places, model: str, seed: int, *, steps: int, resume: bool) -> Arguments:
        """The arguments that both of OpenRLHF's programs take. `model`: the checkpoint directory to begin with."""
        return [
            *("--model.model_name_or_path", model),
            *("--data.dataset", str(places.prompts)),
            *("--data.max_len", str(self.max_length)),
            *("--data.max_samples", str(steps * self.batch_size)),
            *("--train.seed", str(seed)),
            *("--train.batch_size", str(self.batch_size)),
            *("--train.max_epochs", "1"),
            *self.shared_arguments("model", "", steps),
            *places.checkpoint_arguments(self.save_steps, resume),
        ]

    @abstractmethod
    def arguments(self, places: Places, model: str, seed: int, *, steps: int, resume: bool) -> Arguments:
        """The whole command line of OpenRLHF's program."""
