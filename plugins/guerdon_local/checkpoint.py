"""Any causal language model of Hugging Face, whole or with a LoRA adapter (Hu et al., arXiv 2106.09685)."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from guerdon import DataError, Policy
from guerdon_local.directories import made_once

FILES = ("*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model", "*.jinja")
"""What is taken of a repository on the hub."""


class Checkpoint(Policy):
    """A causal language model from a directory or from the Hugging Face hub."""

    name: ClassVar[str] = "checkpoint"
    needs: ClassVar[Mapping[str, str]] = {
        "torch": "pip install 'guerdon[local]'",
        "transformers": "pip install 'guerdon[local]'",
        "peft": "pip install 'guerdon[local]'",
    }

    path: str
    """A checkpoint directory, or a name on the hub (`Qwen/Qwen3-0.6B`), which is downloaded once."""
    lora_rank: int = Field(0, ge=0)
    """Rank of the LoRA adapter that is trained in place of the model; 0 trains the model itself."""
    lora_alpha: float = Field(32.0, gt=0)
    """What the adapter adds is multiplied by this over the rank."""
    lora_target_modules: tuple[str, ...] = ()
    """The linear layers that get an adapter, by the ends of their names (`q_proj`); none named: all but the last."""

    def checkpoint(self, workdir: Path, start: Path | None = None) -> Path:
        """The checkpoint's own directory; with LoRA a new adapter for it, in `adapter` under `workdir`.

        Raises DataError if it cannot be found or downloaded.
        """
        base = start or self._found()
        if not self.lora_rank:
            return base
        options = {**self.model_dump(mode="json"), "base": str(base.resolve())}
        return made_once(workdir / "adapter", options, lambda directory: self._write_adapter(base.resolve(), directory))

    def _found(self) -> Path:
        path = Path(self.path).expanduser()
        if path.is_dir():
            return path
        if self.path.startswith(("/", ".", "~")) or self.path.count("/") > 1:
            raise DataError(self.path, "there is no such checkpoint directory", "give the directory with `config.json`")
        from huggingface_hub import snapshot_download

        try:
            return Path(snapshot_download(self.path, allow_patterns=list(FILES)))
        except Exception as error:  # the library and its network stack raise dozens of kinds
            said = (str(error).strip() or type(error).__name__).splitlines()[0]
            what = f"is no directory here, and cannot be had from the Hugging Face hub: {said}"
            raise DataError(
                self.path, what, "without a network, download it elsewhere and give its directory"
            ) from error

    def _write_adapter(self, base: Path, directory: Path) -> None:
        import torch
        from peft import LoraConfig, get_peft_model
        from transformers.pytorch_utils import Conv1D

        from guerdon_local.models import load
        from guerdon_local.quiet import quiet

        module = load(base, device="cpu").module
        last = module.get_output_embeddings()
        linear = [
            name
            for name, part in module.named_modules()
            if isinstance(part, torch.nn.Linear | Conv1D) and part is not last  # Conv1D is GPT-2's linear layer
        ]
        config = LoraConfig(
            r=self.lora_rank,
            lora_alpha=self.lora_alpha,  # type: ignore[arg-type]  # a whole number is not needed
            target_modules=list(self.lora_target_modules) or linear,
            task_type="CAUSAL_LM",
        )
        try:
            with torch.random.fork_rng(devices=[]), quiet(0):
                torch.default_generator.manual_seed(0)
                adapted = get_peft_model(module, config)
        except ValueError as error:
            raise DataError(str(base), f"cannot take this adapter: {error}", "see `lora_target_modules`") from error
        adapted.peft_config["default"].base_model_name_or_path = str(base)
        adapted.save_pretrained(str(directory))
