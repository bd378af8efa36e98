"""A faster reader for small DeepSeek-V3 policies: multi-head latent attention with its projections absorbed.

Keys and values are linear in the latent vectors of the cache. Their projections can therefore be multiplied into those
of the queries and of the output (DeepSeek-V2, arXiv 2405.04434, 2.1.2): attention reads the latent vectors themselves,
as if all heads had one key, and they are never expanded. All experts are run for all tokens: with one token a row that
is sooner done than sorting.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from guerdon_local.generation import padded

KNOWN = {
    *("vocab_size", "hidden_size", "intermediate_size", "moe_intermediate_size", "num_hidden_layers"),
    *("num_attention_heads", "num_key_value_heads", "n_shared_experts", "n_routed_experts", "routed_scaling_factor"),
    *("kv_lora_rank", "q_lora_rank", "qk_rope_head_dim", "v_head_dim", "qk_nope_head_dim", "n_group", "topk_group"),
    *("num_experts_per_tok", "first_k_dense_replace", "norm_topk_prob", "max_position_embeddings", "rms_norm_eps"),
    *("rope_parameters", "rope_interleave", "initializer_range", "tie_word_embeddings", "qk_head_dim", "head_dim"),
    *("pad_token_id", "bos_token_id", "eos_token_id", "attention_dropout", "use_cache", "num_nextn_predict_layers"),
    *("architectures", "dtype", "model_type", "transformers_version", "_name_or_path", "pretraining_tp"),
    *("num_mtp_layers", "experts_implementation", "_experts_implementation", "_attn_implementation"),
    *("topk_method", "scoring_func"),
}
"""What a configuration may set without making a model that this reader would misread."""
ROTATIONS = ("default", "linear", "yarn")
"""Kinds of rotary embeddings whose angles are the position times a fixed frequency."""
SCORES = 1 << 25
"""Prompts are read in batches whose attention has no more scores than this."""
NEVER = -1e9
"""Added to the score of a position that must not be looked at."""


def pays(module: Any) -> bool:
    """Whether this reader knows the model in every detail, and it is small enough to be read faster by it."""
    from transformers import DeepseekV3ForCausalLM

    if type(module) is not DeepseekV3ForCausalLM:
        return False
    config: Any = module.config
    usual = type(config)().to_dict()
    known = (
        all(name in KNOWN or usual.get(name, None) == value for name, value in config.to_dict().items())
        and config.rope_parameters["rope_type"] in ROTATIONS
        and {part.dtype for part in module.parameters()} == {torch.float32}
        and not any(isinstance(part, torch.nn.Linear) and part.bias is not None for part in module.modules())
    )
    return known and config.hidden_size <= 512 and config.n_routed_experts <= 16


EPS = 1e-6
"""Of the norms of latent vectors, whatever the configuration says of the others."""


@dataclass(frozen=True)
class _Attention:
    down: torch.Tensor
    """To the latent query, the latent vector, the key's rotary part and that part turned by a right angle."""
    query: torch.Tensor | None
    """To each head's query of latent vectors, its rotary part, and that part turned by a right angle."""
    out: torch.Tensor


@dataclass(frozen=True)
class _Feed:
    """A dense layer, or with `router` a layer of experts, the shared ones behind the routed ones."""

    up: torch.Tensor
    """To all gates, then all ups, then the router's logits."""
    down: torch.Tensor
    router: Any = None
    inner: int = 0
    shared: int = 0


class LatentReader:
    """A DeepSeek-V3 in float32, as it is at the moment: weights that change later are not seen."""

    @torch.inference_mode()
    def __init__(self, module: Any) -> None:
        config = module.config
        self._heads, self._latent, self._rotary = (
            config.num_attention_heads,
            config.kv_lora_rank,
            config.qk_rope_head_dim,
        )
        self._query = config.q_lora_rank or self._heads * (self._latent + 2 * self._rotary)
        self._eps = config.rms_norm_eps
        self._layers = [
            (_attention(layer.self_attn, layer.input_layernorm), _feed(layer)) for layer in module.model.layers
        ]
        self._embeddings: torch.Tensor = module.model.embed_tokens.weight
        self._head: torch.Tensor = (module.lm_head.weight * _scaled(module.model.norm)).t().contiguous()
        self._rotation = module.model.rotary_emb

    @torch.inference_mode()
    def read(self, prompts: Sequence[Sequence[int]], copies: int, length: int) -> torch.Tensor:
        """As `Reader.read`."""
        ids, mask = (part.to(self._embeddings.device) for part in padded(prompts, 0))
        count, read = ids.shape
        every = torch.arange(read + length, device=ids.device)
        angles = every[:, None] * self._rotation.inv_freq.float().repeat(2)
        self._cos = angles.cos() * self._rotation.attention_scaling
        self._sin = angles.sin() * self._rotation.attention_scaling
        padding = read - mask.sum(-1, keepdim=True)
        hidden = torch.where(every < padding, NEVER, 0.0)
        positions = (every[:read] - padding).clamp(min=0)
        later = torch.full((read, read), NEVER, device=ids.device).triu(1)
        cache = self._embeddings.new_empty(len(self._layers), count, read, self._latent + self._rotary)
        size = max(1, SCORES // (self._heads * read**2))
        states = [
            self._forward(ids[some], positions[some], cache[:, some], hidden[some, None, None, :read] + later[:, None])
            for some in (slice(begin, begin + size) for begin in range(0, count, size))
        ]
        self._cache = cache.new_empty(len(self._layers), count * copies, read + length, cache.shape[-1])
        self._cache[:, :, :read] = cache.repeat_interleave(copies, 1)
        self._end = read
        self._positions = positions[:, -1:].repeat_interleave(copies, 0)
        self._hidden = hidden.repeat_interleave(copies, 0)[:, None, None] if bool(padding.any()) else None
        return torch.cat(states).repeat_interleave(copies, 0) @ self._head

    @torch.inference_mode()
    def go_on(self, tokens: torch.Tensor) -> torch.Tensor:
        """As `Reader.go_on`."""
        self._positions += 1
        self._end += 1
        hidden = None if self._hidden is None else self._hidden[..., : self._end]
        return self._forward(tokens[:, None], self._positions, self._cache[:, :, : self._end], hidden) @ self._head

    @torch.inference_mode()
    def keep(self, rows: torch.Tensor) -> None:
        """As `Reader.keep`."""
        self._cache[:, : len(rows), : self._end] = self._cache[:, rows, : self._end]
        self._cache = self._cache[:, : len(rows)]
        self._positions = self._positions[rows]
        self._hidden = None if self._hidden is None else self._hidden[rows]

    def _forward(
        self, ids: torch.Tensor, positions: torch.Tensor, caches: torch.Tensor, hidden: torch.Tensor | None
    ) -> torch.Tensor:
        """The state (rows, width) of the last of some tokens (rows, length), which are put at the end of the caches.

        `caches` (layers, rows, all so far, latent and rotary part). `hidden` (rows, length, 1, all so far) is added to
        the scores.
        """
        places = positions.reshape(-1)
        rotation = self._cos[places, None], self._sin[places, None]
        states = self._embeddings[ids.reshape(-1)]
        for (attention, feed), cache in zip(self._layers, caches, strict=True):
            states = self._attend(attention, states, cache, rotation, hidden)
            states = self._fed(feed, states)
        return _normed(states.view(*ids.shape, -1)[:, -1], self._eps)

    def _attend(
        self,
        layer: _Attention,
        states: torch.Tensor,
        cache: torch.Tensor,
        rotation: tuple[torch.Tensor, torch.Tensor],
        hidden: torch.Tensor | None,
    ) -> torch.Tensor:
        cos, sin = rotation
        rows, seen, _ = cache.shape
        length = len(states) // rows
        latent, rotary = self._latent, self._rotary
        down = _normed(states, self._eps) @ layer.down
        query, compressed, key, turned = torch.split(down, [self._query, latent, rotary, rotary], -1)
        new = cache[:, seen - length :]
        new[..., :latent] = _normed(compressed, EPS).view(rows, length, latent)
        new[..., latent:] = torch.addcmul(key * cos[:, 0], turned, sin[:, 0]).view(rows, length, rotary)
        if layer.query is not None:
            query = _normed(query, EPS) @ layer.query
        query = query.view(-1, self._heads, latent + 2 * rotary)
        query[..., latent : latent + rotary].mul_(cos).addcmul_(query[..., latent + rotary :], sin)
        query = query[..., : latent + rotary].reshape(rows, length * self._heads, -1)
        scores = torch.bmm(query, cache.transpose(1, 2))
        if hidden is not None:
            scores.view(rows, length, self._heads, seen).add_(hidden)
        mixed = torch.bmm(scores.softmax(-1), cache[..., :latent])
        return torch.addmm(states, mixed.view(rows * length, -1), layer.out)

    def _fed(self, layer: _Feed, states: torch.Tensor) -> torch.Tensor:
        up = _normed(states, self._eps) @ layer.up
        inner = len(layer.down)
        made = F.silu(up[:, :inner]).mul_(up[:, inner : 2 * inner])
        if layer.router is not None:
            share = _shares(layer.router, up[:, 2 * inner :])
            routed = made[:, : -layer.shared].view(len(made), -1, layer.inner)
            routed.mul_(share.unsqueeze(-1))
        return torch.addmm(states, made, layer.down)


def _normed(states: torch.Tensor, eps: float) -> torch.Tensor:
    """RMSNorm without its weight, over the root of the width: both are in the matrix that comes next (`_scaled`)."""
    return states * states.square().sum(-1, keepdim=True).add_(eps * states.shape[-1]).rsqrt_()


def _scaled(norm: Any) -> torch.Tensor:
    weight: torch.Tensor = norm.weight
    return weight * math.sqrt(len(weight))


def _shares(router: Any, logits: torch.Tensor) -> torch.Tensor:
    """Each expert's weight (tokens, experts) in the output; 0 for those that are not chosen."""
    scores = logits.sigmoid()
    wanted = scores + router.e_score_correction_bias
    if router.num_group > 1:
        grouped = wanted.view(len(wanted), router.num_group, -1)
        best = grouped.topk(2, -1).values.sum(-1).topk(router.topk_group, -1, sorted=False).indices
        shut = torch.ones_like(grouped[..., 0], dtype=torch.bool).scatter_(1, best, False)
        wanted = grouped.masked_fill(shut.unsqueeze(-1), -torch.inf).view_as(wanted)
    chosen = wanted.topk(router.top_k, -1, sorted=False).indices
    weights = scores.gather(-1, chosen)
    if router.norm_topk_prob:
        weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
    return torch.zeros_like(scores).scatter_(-1, chosen, weights * router.routed_scaling_factor)


def _attention(attention: Any, norm: Any) -> _Attention:
    heads, nope, rotary = attention.num_heads, attention.qk_nope_head_dim, attention.qk_rope_head_dim
    latent = attention.kv_lora_rank
    expanded = attention.kv_b_proj.weight.view(heads, -1, latent) * _scaled(attention.kv_a_layernorm)
    key, value = expanded.split([nope, attention.v_head_dim], 1)
    if attention.q_lora_rank is None:
        plain = attention.q_proj.weight
    else:
        plain = attention.q_b_proj.weight * _scaled(attention.q_a_layernorm)
    straight, turning = plain.view(heads, nope + rotary, -1).split([nope, rotary], 1)
    query = torch.cat([torch.einsum("hnq,hnl->hlq", straight, key), *_turned(attention, turning)], 1)
    query = query.reshape(-1, plain.shape[-1]) * attention.scaling
    compressed, turning = attention.kv_a_proj_with_mqa.weight.split([latent, rotary], 0)
    from_states = query if attention.q_lora_rank is None else attention.q_a_proj.weight
    out = attention.o_proj.weight.view(-1, heads, attention.v_head_dim)
    return _Attention(
        down=(torch.cat([from_states, compressed, *_turned(attention, turning)]) * _scaled(norm)).t().contiguous(),
        query=None if attention.q_lora_rank is None else query.t().contiguous(),
        out=torch.einsum("whv,hvl->hlw", out, value).reshape(heads * latent, -1),
    )


def _turned(attention: Any, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows (…, rotary, width) that a rotation multiplies with the cosine, and those with the sine."""
    if attention.config.rope_interleave:
        weight = torch.cat([weight[..., 0::2, :], weight[..., 1::2, :]], -2)
    one, other = weight.chunk(2, -2)
    return weight, torch.cat([-other, one], -2)


def _feed(layer: Any) -> _Feed:
    mlp, norm = layer.mlp, _scaled(layer.post_attention_layernorm)
    if not hasattr(mlp, "experts"):
        up = torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight]) * norm
        return _Feed(up.t().contiguous(), mlp.down_proj.weight.t().contiguous())
    experts, shared = mlp.experts, mlp.shared_experts
    gates, ups = experts.gate_up_proj.chunk(2, 1)
    width = gates.shape[-1]
    rows = [gates.reshape(-1, width), shared.gate_proj.weight, ups.reshape(-1, width), shared.up_proj.weight]
    down = [experts.down_proj.transpose(1, 2).reshape(-1, width), shared.down_proj.weight.t()]
    return _Feed(
        (torch.cat([*rows, mlp.gate.weight]) * norm).t().contiguous(),
        torch.cat(down),
        router=mlp.gate,
        inner=experts.intermediate_dim,
        shared=shared.down_proj.weight.shape[1],
    )
