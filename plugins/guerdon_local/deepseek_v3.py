"""A mixture-of-experts policy of DeepSeek-V3's architecture (arXiv 2412.19437), of any size, from random weights."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from guerdon import DataError, LiveModel, Policy
from guerdon_local.directories import made_once
from guerdon_local.tokenizer import BOS, EOS, PAD, PRINTABLE, TAGS, UNKNOWN, build


class DeepseekV3(Policy):
    """A DeepSeek-V3 from random weights, with a tokenizer of its own. Sizes are named as in transformers.

    Without options it is a tiny one (about 140,000 weights) that learns simple arithmetic on a CPU within minutes.
    """

    name: ClassVar[str] = "deepseek-v3"
    needs: ClassVar[Mapping[str, str]] = {
        "torch": "pip install 'guerdon[local]'",
        "transformers": "pip install 'guerdon[local]'",
    }

    vocabulary: tuple[str, ...] = PRINTABLE
    """Pieces of text that are one token each; the longest that fits is taken first. Prompts and demonstrations may hold
    nothing else. The tags `<think>`, `</think>`, `<answer>` and `</answer>` are always there. The default: the
    printable characters of ASCII, and newline."""
    hidden_size: int = Field(64, ge=8, multiple_of=8)
    """Width of the model."""
    num_hidden_layers: int = Field(2, ge=1)
    """Layers, the dense ones and those with experts together."""
    first_k_dense_replace: int = Field(1, ge=0)
    """How many layers at the bottom are dense; the others have experts."""
    intermediate_size: int = Field(128, ge=1)
    """Inner width of the dense layers."""
    n_routed_experts: int = Field(8, ge=2)
    """Experts of a layer among which each token's are chosen."""
    num_experts_per_tok: int = Field(2, ge=1)
    """How many of them a token is sent to."""
    n_shared_experts: int = Field(1, ge=1)
    """Experts of a layer that every token goes through."""
    moe_intermediate_size: int = Field(32, ge=8, multiple_of=8)
    """Inner width of one expert."""
    n_group: int = Field(1, ge=1)
    """Groups that the routed experts are divided into."""
    topk_group: int = Field(1, ge=1)
    """From how many of the groups a token's experts may come."""
    routed_scaling_factor: float = Field(1.0, gt=0)
    """What the routed experts' output is multiplied by."""
    num_attention_heads: int = Field(4, ge=1)
    """Attention heads."""
    kv_lora_rank: int = Field(32, ge=1)
    """Width of the latent vector that keys and values are made of: what the cache holds, with the rotary part."""
    q_lora_rank: int | None = Field(32, ge=1)
    """Width of the latent vector that queries are made of; without one they are made of the hidden state. TOML has no
    null, so that only Python can leave it out."""
    qk_nope_head_dim: int = Field(32, ge=1)
    """Width of a head's queries and keys that knows no position."""
    qk_rope_head_dim: int = Field(16, ge=2, multiple_of=2)
    """Width of a head's queries and keys that is rotated by position."""
    v_head_dim: int = Field(32, ge=1)
    """Width of a head's values."""
    max_position_embeddings: int = Field(1024, ge=1)
    """The longest sequence, prompt and completion together, in tokens."""
    initializer_range: float = Field(0.06, gt=0)
    """Standard deviation of the random weights."""
    tie_word_embeddings: bool = False
    """Whether the embeddings of the tokens are also the last layer."""
    seed: int = Field(0, ge=0)
    """Of the random weights. The same options give the same weights, to the bit."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        experts, groups, layers = self.n_routed_experts, self.n_group, self.num_hidden_layers
        choice = self.topk_group * (experts // groups)
        if experts % groups or experts // groups < 2:
            what = f"n_group = {groups} does not divide n_routed_experts = {experts} into groups of two or more"
        elif self.topk_group > groups:
            what = f"topk_group = {self.topk_group} is more than there are groups (n_group = {groups})"
        elif self.num_experts_per_tok > choice:
            what = f"num_experts_per_tok = {self.num_experts_per_tok}: a token may choose from only {choice} experts"
        elif self.first_k_dense_replace > layers:
            what = f"first_k_dense_replace = {self.first_k_dense_replace}: num_hidden_layers is only {layers}"
        elif "" in self.vocabulary:
            what = "vocabulary: a piece is empty"
        elif len({*self.vocabulary, *TAGS, PAD, BOS, EOS, UNKNOWN}) < len(self.vocabulary) + len(TAGS) + 4:
            what = "vocabulary: a piece is there twice, or is a tag, which is always there"
        else:
            return self
        raise PydanticCustomError("shape", "{what}", {"what": what})

    def checkpoint(self, workdir: Path, start: Path | None = None) -> Path:
        """The directory `deepseek-v3` under `workdir`, made anew unless these very options made what is there.

        With `start`: that directory, if it holds a model of this shape. Raises DataError.
        """
        if start is not None:
            self._check(start)
            return start
        return made_once(workdir / "deepseek-v3", self.model_dump(mode="json"), self._write)

    def _write(self, directory: Path) -> None:
        import torch
        from transformers import DeepseekV3ForCausalLM

        from guerdon_local.models import save

        # only this generator is used, and nobody notices that it was
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(self.seed)
            module = DeepseekV3ForCausalLM(self._config())
        save(LiveModel(module, build(self.vocabulary)), directory)

    def _config(self) -> Any:
        from transformers import DeepseekV3Config

        options: dict[str, Any] = {
            **self.model_dump(exclude={"seed", "vocabulary"}),
            "vocab_size": 4 + len(TAGS) + len(self.vocabulary),
            "num_key_value_heads": self.num_attention_heads,
            "num_nextn_predict_layers": 0,
            # As in DeepSeek-V3's own. transformers knows no other way; vLLM would expect routers without a bias, and
            # silently take a softmax for their sigmoid.
            "topk_method": "noaux_tc",
            "scoring_func": "sigmoid",
            **{name: number for number, name in enumerate(("pad_token_id", "bos_token_id", "eos_token_id"))},
        }
        return DeepseekV3Config(**options)

    def _check(self, start: Path) -> None:
        try:
            there = json.loads((start / "config.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(str(start), f"its `config.json` cannot be read: {error}", "give a checkpoint") from error
        wanted = self._config().to_dict()
        for option in ("vocab_size", *self.model_dump(exclude={"seed", "vocabulary", "initializer_range"})):
            if there.get(option) != wanted[option]:
                what = f"its {option} is {there.get(option)}, and the policy's is {wanted[option]}"
                raise DataError(str(start), what, "give the stages one policy, or start this one from its own")
