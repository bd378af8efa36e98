"""Checkpoint directories and models in memory: one into the other, and back."""

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from guerdon import DataError, LiveModel

if TYPE_CHECKING:
    import torch

ADAPTER = "adapter_config.json"
"""The file that makes a directory a LoRA adapter, as peft names it."""
HEAD = "score.weight"
"""What makes a score of the last token's hidden state, as transformers names it."""
ONE_THREAD = 8 << 20
"""Bytes. A smaller model is computed by one thread."""


def load(
    path: Path, *, train: bool = False, device: "torch.device | str | None" = None, scores: bool = False
) -> LiveModel:
    """The causal language model of a checkpoint directory in float32, on `device`: a GPU if there is one.

    A directory with an adapter is the model that the adapter belongs to, with the adapter; with `train`, the adapter
    is what can be trained. With `scores` it is the sequence classifier on the same layers, with one score for a text;
    one that has none yet gives every text 0. Raises DataError for what is missing, damaged or no causal language model.
    """
    import torch

    from guerdon_local import tiny

    if not path.is_dir():
        raise DataError(str(path), "there is no such checkpoint directory", "give the directory with `config.json`")
    place = torch.device(device) if device else torch.device("cuda" if torch.cuda.is_available() else "cpu")
    adapter = _adapter(path)
    if adapter and scores:
        way_out = "take `lora_rank` out of the policy"
        raise DataError(str(path), "is a LoRA adapter, and a model that scores is trained whole", way_out)
    base = Path(adapter["base_model_name_or_path"]) if adapter else path
    config = _config(base)
    tokenizer = _tokenizer(base)
    module = _module(base, config, scores)
    module.to(place)
    if adapter:
        module = _adapted(module, path, train)
    tiny.use(module)
    if place.type == "cpu" and _size(module) < ONE_THREAD:
        # threads that share so little work wait for each other; and so results do not depend on the number of cores
        torch.set_num_threads(1)
    module.train(train)
    return LiveModel(module, tokenizer)


def save(model: LiveModel, directory: Path) -> None:
    """Write a complete checkpoint into `directory`. An adapter is merged into what is written, not into the model."""
    from guerdon_local.quiet import quiet

    module = model.module
    with quiet(_size(module)):
        if hasattr(module, "peft_config"):
            # merging and taking back out would change the last bits of the model that is trained
            module = copy.deepcopy(module).merge_and_unload()
        module.save_pretrained(directory)
    model.tokenizer.save_pretrained(directory)


def _config(path: Path) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    if not (path / "config.json").is_file():
        raise DataError(str(path), "there is no `config.json`", "give a Hugging Face checkpoint directory")
    try:
        config = AutoConfig.from_pretrained(str(path), local_files_only=True)
    except Exception as error:  # the libraries raise dozens of kinds
        raise _damaged(path, "its `config.json`", error) from error
    if type(config) not in AutoModelForCausalLM._model_mapping:
        raise DataError(str(path), f"a {config.model_type} is no causal language model", "give one that is")
    return config


def _tokenizer(path: Path) -> Any:
    from transformers import AutoTokenizer

    if not any((path / name).is_file() for name in ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")):
        way_out = "copy the tokenizer's files (`tokenizer.json`, `tokenizer_config.json`) into it"
        raise DataError(str(path), "there is no tokenizer in this checkpoint", way_out)
    try:
        return AutoTokenizer.from_pretrained(str(path), local_files_only=True)
    except Exception as error:
        raise _damaged(path, "its tokenizer", error) from error


def _module(path: Path, config: Any, scores: bool) -> Any:
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    from guerdon_local.quiet import quiet

    kind: Any = AutoModelForSequenceClassification if scores else AutoModelForCausalLM
    if scores:
        if type(config) not in kind._model_mapping:
            what = f"transformers has no sequence classifier for a {config.model_type}"
            raise DataError(str(path), what, "begin with a model of another architecture")
        config.num_labels = 1
    weights = [*path.glob("*.safetensors"), *path.glob("*.bin")]
    if not weights:
        raise DataError(str(path), "there are no weights in this checkpoint", "look for its `model.safetensors`")
    try:
        with quiet(sum(file.stat().st_size for file in weights)):
            loaded: Any = kind.from_pretrained(
                str(path), config=config, dtype=torch.float32, local_files_only=True, output_loading_info=True
            )
    except Exception as error:
        raise _damaged(path, "its weights", error) from error
    module, facts = loaded
    missing = sorted(facts["missing_keys"])
    if scores and missing == [HEAD]:
        torch.nn.init.zeros_(module.get_parameter(HEAD))
    elif missing:
        # transformers would go on with random numbers
        what = f"{len(missing)} of its weights are missing, such as `{missing[0]}`"
        raise DataError(str(path), what, "look whether all files are there, and are of one causal language model")
    return module


def _adapter(path: Path) -> dict[str, Any] | None:
    if not (path / ADAPTER).is_file():
        return None
    try:
        facts = json.loads((path / ADAPTER).read_text("utf-8"))
        base = facts["base_model_name_or_path"]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, f"its `{ADAPTER}`", error) from error
    if not isinstance(base, str) or not Path(base).is_dir():
        raise DataError(str(path / ADAPTER), f"its base model '{base}' is not there", "put the directory back")
    return dict(facts)


def _adapted(module: Any, path: Path, train: bool) -> Any:
    from peft import PeftModel

    from guerdon_local.quiet import quiet

    try:
        with quiet(0):
            return PeftModel.from_pretrained(module, str(path), is_trainable=train)
    except Exception as error:
        raise _damaged(path, "its adapter", error) from error


def _size(module: Any) -> int:
    return sum(part.numel() * part.element_size() for part in module.parameters())


def _damaged(path: Path, what: str, error: Exception) -> DataError:
    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    return DataError(str(path), f"{what} cannot be read: {said}", "make or download the checkpoint again")
