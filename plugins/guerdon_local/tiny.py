"""A small DeepSeek-V3 trained on a CPU: transformers' layers with fewer passes over memory, and the same numbers.

At this size a layer's time goes into element-wise steps, copies and their gradients, not into matrix products. Here the
steps between two products are one function with a gradient of its own, attention reads the latent vectors themselves
(DeepSeek-V2, arXiv 2405.04434, 2.1.2), and an expert multiplies all of its tokens at once. Parameters, hooks and
outputs are those of transformers. Gradients of gradients are not.
"""

# mypy: disable-error-code="no-untyped-call"
# (torch's `Function.apply` and `Tensor.split` have no annotations)

from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function

Gradients = tuple[Tensor | None, ...]


def pays(module: Any) -> bool:
    """Whether `module` is a DeepSeek-V3 that these layers know in every detail, and small enough to gain by them."""
    from transformers import DeepseekV3ForCausalLM

    if type(module) is not DeepseekV3ForCausalLM:
        return False
    config: Any = module.config
    known = (
        config.hidden_act == "silu"
        and config.q_lora_rank is not None
        and config.n_group == 1
        and config.rope_interleave
        and not config.attention_bias
        and not config.attention_dropout
        and all(one.device.type == "cpu" and one.dtype == torch.float32 for one in module.parameters())
    )
    return bool(known and config.hidden_size <= 512 and config.kv_lora_rank <= 2 * config.v_head_dim)


def use(module: Any) -> None:
    """Run the layers of `module` this way from now on, if that pays."""
    from transformers.models.deepseek_v3 import modeling_deepseek_v3 as theirs

    if not pays(module):
        return
    ours: dict[type, Callable[..., Any]] = {
        theirs.DeepseekV3RMSNorm: _norm,
        theirs.DeepseekV3Attention: _attention,
        theirs.DeepseekV3MLP: _dense,
        theirs.DeepseekV3TopkRouter: _router,
        theirs.DeepseekV3Experts: _experts,
    }
    for part in module.modules():
        if type(part) in ours:
            part.forward = MethodType(_unless_bf16(ours[type(part)], type(part).forward), part)


def _unless_bf16(ours: Callable[..., Any], theirs: Callable[..., Any]) -> Callable[..., Any]:
    """Autocasting mixes types, which only transformers' layers are made for."""

    def forward(self: Any, *arguments: Any, **named: Any) -> Any:
        return (theirs if torch.is_autocast_enabled("cpu") else ours)(self, *arguments, **named)

    return forward


def _norm(self: Any, hidden_states: Tensor) -> Tensor:
    normed: Tensor = _Norm.apply(hidden_states, self.weight, self.variance_epsilon)
    return normed


def _attention(
    self: Any,
    hidden_states: Tensor,
    position_embeddings: tuple[Tensor, Tensor],
    attention_mask: Tensor | None = None,
    past_key_values: Any = None,
    **rest: Any,
) -> tuple[Tensor, Tensor | None]:
    if attention_mask is not None or past_key_values is not None or len(position_embeddings[0]) > 1:
        # more than rows of tokens that all begin at position 0
        theirs: Callable[..., tuple[Tensor, Tensor | None]] = type(self).forward
        return theirs(self, hidden_states, position_embeddings, attention_mask, past_key_values, **rest)
    heads, latent, rotary = self.num_heads, self.kv_lora_rank, self.qk_rope_head_dim
    down = torch.cat([self.q_a_proj.weight, self.kv_a_proj_with_mqa.weight])
    query, compressed, key = F.linear(hidden_states, down).split([self.q_lora_rank, latent, rotary], -1)
    # Keys and values are linear in the latent vectors: what makes them goes into the queries and the output.
    keys, values = self.kv_b_proj.weight.view(heads, -1, latent).split([self.qk_nope_head_dim, self.v_head_dim], 1)
    into = (self.q_b_proj.weight * self.scaling).view(heads, self.qk_head_dim, -1)
    still, turned = into.split([self.qk_nope_head_dim, rotary], 1)
    into = torch.cat([keys.transpose(1, 2) @ still, turned], 1).flatten(0, 1)
    out = self.o_proj.weight.view(-1, heads, self.v_head_dim).transpose(0, 1) @ values
    turns = torch.complex(*(part[0, :, : rotary // 2] for part in position_embeddings))
    states, latents = self.q_a_layernorm(query), self.kv_a_layernorm(compressed)
    return _LatentAttention.apply(states, latents, key, into, out.transpose(0, 1).flatten(1), turns), None


def _dense(self: Any, x: Tensor) -> Tensor:
    both = F.linear(x, torch.cat([self.gate_proj.weight, self.up_proj.weight]))
    return F.linear(_Gated.apply(both, None), self.down_proj.weight)


def _router(self: Any, hidden_states: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    logits = F.linear(hidden_states.view(-1, self.hidden_dim), self.weight)
    scores = logits.sigmoid()
    chosen = (scores.detach() + self.e_score_correction_bias).topk(self.top_k, -1, sorted=False).indices
    weights = scores.gather(1, chosen)
    if self.norm_topk_prob:
        weights = weights / (weights.sum(-1, keepdim=True) + 1e-20)
    return logits, weights * self.routed_scaling_factor, chosen


def _experts(self: Any, hidden_states: Tensor, top_k_index: Tensor, top_k_weights: Tensor) -> Tensor:
    """Tokens are sorted by expert, go through the experts, and are put back and summed."""
    chosen = top_k_index.reshape(-1)
    order = chosen.argsort(stable=True)
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order))
    counts = torch.bincount(chosen, minlength=self.num_experts).tolist()
    copies = top_k_index.shape[1]
    spread = _Spread.apply(hidden_states, order, back, copies)
    made = _Gated.apply(_Grouped.apply(spread, self.gate_up_proj, counts), top_k_weights.reshape(-1, 1)[order])
    gathered: Tensor = _Gathered.apply(_Grouped.apply(made, self.down_proj, counts), order, back, copies)
    return gathered


class _Norm(Function):
    """`weight * x / sqrt(mean(x²) + eps)`"""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        scale = torch.rsqrt(torch.linalg.vecdot(x, x)[..., None] / x.shape[-1] + eps)
        unit = x * scale
        ctx.save_for_backward(unit, scale, weight)
        return unit * weight

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Gradients:
        (grad,) = grads
        unit, scale, weight = ctx.saved_tensors
        product = (grad * unit).flatten(0, -2)
        along = (product @ weight / len(weight)).view_as(scale)
        return torch.addcmul(grad * weight, unit, along, value=-1).mul_(scale), product.sum(0), None


class _Gated(Function):
    """`silu(gate) * up` of `both` = [gate, up] (tokens, 2 * inner), times `share` (tokens, 1) where there is one."""

    @staticmethod
    def forward(ctx: Any, both: Tensor, share: Tensor | None) -> Tensor:
        gate, up = both.chunk(2, -1)
        passed = F.silu(gate)
        made = passed * up
        ctx.save_for_backward(both, passed, made, share)
        return made if share is None else made * share

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Gradients:
        (grad,) = grads
        both, passed, made, share = ctx.saved_tensors
        of_share = None
        if share is not None:
            of_share = torch.linalg.vecdot(grad, made)[:, None]
            grad = grad * share
        gate, up = both.chunk(2, -1)
        of_both = torch.empty_like(both)
        of_gate, of_up = of_both.chunk(2, -1)
        torch.mul(grad, passed, out=of_up)
        torch.ops.aten.silu_backward.grad_input(grad * up, gate, grad_input=of_gate)
        return of_both, of_share


class _Grouped(Function):
    """Rows of `x` times the transposed matrix of their group. Groups are contiguous: `counts` rows each."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, matrices: Tensor, counts: list[int]) -> Tensor:
        ctx.save_for_backward(x, matrices)
        ctx.counts = counts
        made = x.new_empty(len(x), matrices.shape[1])
        for rows, matrix, out in zip(x.split(counts), matrices, made.split(counts), strict=True):
            torch.mm(rows, matrix.t(), out=out)
        return made

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Gradients:
        x, matrices = ctx.saved_tensors
        of_x, of_matrices = torch.empty_like(x), torch.empty_like(matrices)
        grouped = (one.split(ctx.counts) for one in (grads[0], x, of_x))
        for grad, rows, of_rows, matrix, of_matrix in zip(*grouped, matrices, of_matrices, strict=True):
            torch.mm(grad, matrix, out=of_rows)
            torch.mm(grad.t(), rows, out=of_matrix)
        return of_x, of_matrices, None


class _Spread(Function):
    """Copies of each row, one for each of its experts, in an `order` of which `back` is the inverse."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, back: Tensor, copies: int) -> Tensor:
        ctx.save_for_backward(back)
        ctx.copies = copies
        return x[order // copies]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Gradients:
        (back,) = ctx.saved_tensors
        return grads[0][back].view(-1, ctx.copies, grads[0].shape[-1]).sum(1), None, None, None


class _Gathered(Function):
    """The reverse of `_Spread`: each row's copies are added."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, order: Tensor, back: Tensor, copies: int) -> Tensor:
        ctx.save_for_backward(order)
        ctx.copies = copies
        return y[back].view(-1, copies, y.shape[-1]).sum(1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Gradients:
        (order,) = ctx.saved_tensors
        return grads[0][order // ctx.copies], None, None, None


class _LatentAttention(Function):
    """Causal attention of all heads to the latent vectors, as if they had one key.

    `states` (batch, length, width) times `into` (heads * (latent + rotary), width) are the queries. `latents` (batch,
    length, latent) are keys and values, `key` (batch, length, rotary) is the part of the keys that `turns` (length,
    rotary / 2, complex) rotates. What the heads read goes through `out` (width, heads * latent).
    """

    @staticmethod
    def forward(  # noqa: PLR0917  # autograd hands arguments over by position
        ctx: Any, states: Tensor, latents: Tensor, key: Tensor, into: Tensor, out: Tensor, turns: Tensor
    ) -> Tensor:
        batch, length, latent = latents.shape
        keys = torch.cat([latents, key], -1)
        width = keys.shape[-1]
        heads = len(into) // width
        queries = F.linear(states, into).view(batch, length, heads, width)
        _turn(keys[..., latent:], turns)
        _turn(queries[..., latent:], turns[:, None])
        queries = queries.view(batch, length * heads, width)
        later = torch.full((length, length), -torch.inf).triu(1).repeat_interleave(heads, 0)
        shares = torch.baddbmm(later, queries, keys.transpose(1, 2)).softmax(-1)
        read = torch.bmm(shares, keys[..., :latent]).view(batch, length, heads * latent)
        ctx.save_for_backward(states, into, out, turns, queries, keys, shares, read)
        return F.linear(read, out)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Gradients:
        states, into, out, turns, queries, keys, shares, read = ctx.saved_tensors
        batch, length, width = keys.shape
        latent = width - 2 * turns.shape[-1]
        grad = grads[0].flatten(0, 1)
        of_out = grad.t() @ read.flatten(0, 1)
        of_read = (grad @ out).view(batch, -1, latent)
        of_shares = torch.bmm(of_read, keys[..., :latent].transpose(1, 2))
        of_scores = torch._softmax_backward_data(of_shares, shares, -1, shares.dtype)
        of_keys = torch.bmm(of_scores.transpose(1, 2), queries)
        of_latents = torch.baddbmm(of_keys[..., :latent], shares.transpose(1, 2), of_read)
        of_queries = torch.bmm(of_scores, keys).view(batch, length, -1, width)
        turns = turns.conj().resolve_conj()
        _turn(of_keys[..., latent:], turns)
        _turn(of_queries[..., latent:], turns[:, None])
        of_queries = of_queries.view(batch * length, -1)
        of_into = of_queries.t() @ states.flatten(0, 1)
        return (of_queries @ into).view_as(states), of_latents, of_keys[..., latent:], of_into, of_out, None


def _turn(pairs: Tensor, turns: Tensor) -> None:
    """Rotate neighbouring numbers, as points of the plane, in place."""
    torch.view_as_complex(pairs.unflatten(-1, (-1, 2))).mul_(turns)
