"""One optimizer step of GRPO: forward, loss and backward over micro-batches, whose gradients add up to the batch's."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from guerdon_local.batches import Batch, alike, micro_batches
from guerdon_local.experience import Experience, Lesson
from guerdon_local.learner import Learner
from guerdon_local.logprobs import Allowed, allowed_tokens, kept_logits, predicted
from guerdon_local.loss import kl_to_reference, policy_loss, token_weights
from guerdon_local.reference import Reference

if TYPE_CHECKING:
    from guerdon_local.grpo import Grpo


class PolicyUpdate:
    """Learns from experience."""

    def __init__(self, options: "Grpo", learner: Learner) -> None:
        self.options, self.learner = options, learner
        self.module = learner.model.module
        without_dropout(self.module)
        self.reference = Reference(self.module) if options.beta else None
        if self.reference and "reference" in learner.restored:
            self.reference.load(learner.restored["reference"])

    def refresh_reference(self) -> None:
        """The reference becomes the policy as it is now."""
        if self.reference:
            self.reference.refresh()

    def plain(self) -> dict[str, Any]:
        """What a checkpoint keeps of the reference."""
        return {"reference": self.reference.weights} if self.reference else {}

    def measured(self, lessons: Sequence[Lesson]) -> list[Lesson]:
        """Before the first update: the log-probabilities that ratios are taken to, and what could be sampled.

        With one optimizer step for a generation, and all tokens allowed, the update's own pass says as much.
        """
        if self.options.generation_steps == 1 and self.options.top_p == 1:
            return list(lessons)
        return [Lesson(self._measured(lesson.rows), lesson.metrics) for lesson in lessons]

    @torch.no_grad()
    def _measured(self, rows: Sequence[Experience]) -> list[Experience]:
        options, found = self.options, list(rows)
        self.module.eval()
        for groups in self._micro_batches(rows, [i for i, row in enumerate(rows) if self._is_learnt_from(row)]):
            chosen = [rows[group[0]] for group in groups]
            batch = self.learner.collate(chosen)
            logits = kept_logits(self.module, batch, options.temperature, options.bf16)
            allowed = allowed_tokens(logits, options.top_p, batch.targets) if options.top_p < 1 else None
            lengths = [len(row.completion_ids) for row in chosen]
            old = batch.gathered(predicted(logits, batch.targets, allowed).logprobs, lengths)
            masks = [None] * len(chosen) if allowed is None else batch.gathered(allowed, lengths)
            for group, logprobs, mask in zip(groups, old, masks, strict=True):
                kept = None if mask is None else Allowed.of(mask)
                for i in group:
                    found[i] = replace(rows[i], old=logprobs.cpu().clone(), allowed=kept)
        return found

    def learn(self, rows: Sequence[Experience], step: int) -> dict[str, float]:
        """One optimizer step. Returns metrics. Raises GuerdonError when losses are no numbers again and again."""
        options = self.options
        if not rows:
            return {}
        lengths = [len(row.completion_ids) if row.counted else 0 for row in rows]
        weights = token_weights(lengths, options.loss_type, options.max_completion_length)
        # What has no gradient keeps its share of the normalisation.
        learnt = [i for i, row in enumerate(rows) if self._is_learnt_from(row)]
        sums: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.learner.device))
        for groups in self._micro_batches(rows, learnt):
            self._backward(rows, weights, groups, sums)
        if self.learner.balancer.layers:
            self._route(rows, sorted({*range(len(rows))} - {*learnt}))
        loss = float(sums["loss"])
        metrics = {"loss": loss, **self.learner.step(step, loss)}
        tokens, computed = max(sum(lengths), 1), max(sum(lengths[i] for i in learnt), 1)
        metrics["clip_ratio/low"] = float(sums["low"]) / tokens
        metrics["clip_ratio/high"] = float(sums["high"]) / tokens
        if options.beta:
            metrics["kl"] = float(sums["kl"]) / tokens
        if learnt:
            metrics["entropy"] = float(sums["entropy"]) / computed
            metrics["sampling/logp_difference"] = float(sums["difference"]) / computed
        return metrics

    def _backward(
        self, all_rows: Sequence[Experience], weights: Sequence[float], groups: list[list[int]], sums: dict[str, Tensor]
    ) -> None:
        """A micro-batch of groups of equal rows. The model sees each row once, the loss as often as it is there."""
        options, device = self.options, self.learner.device
        distinct = [all_rows[group[0]] for group in groups]
        once = self.learner.collate(distinct)
        allowed = self._allowed(distinct, once)
        copies = [number for number, group in enumerate(groups) for _ in group]
        batch = once.repeated(copies)
        rows = [all_rows[i] for group in groups for i in group]
        reference = None
        if self.reference:
            with self.reference.in_place():
                logits = kept_logits(self.module, once, options.temperature, options.bf16)
                reference = predicted(logits, once.targets, allowed).logprobs[copies]
        with self.learner.balancer.counting(_counted(once, groups)):
            logits = kept_logits(self.module, once, options.temperature, options.bf16)
        now = predicted(logits, once.targets, allowed)
        logprobs = now.logprobs[copies]
        old = logprobs.detach() if rows[0].old is None else batch.spread([_known(row.old) for row in rows])
        policy = policy_loss(
            logprobs,
            old,
            torch.tensor([row.advantage for row in rows], device=device),
            batch.mask,
            epsilon=options.epsilon,
            epsilon_high=options.epsilon if options.epsilon_high is None else options.epsilon_high,
            level=options.importance_sampling_level,
        )
        per_token = policy.per_token
        if reference is not None:
            kl = kl_to_reference(logprobs, reference)
            per_token = per_token + options.beta * kl
            sums["kl"] += (kl.detach() * batch.mask).sum()
        weight = torch.tensor([weights[i] for group in groups for i in group], device=device)
        loss = (per_token * batch.mask * weight[:, None]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        sums["loss"] += loss.detach()
        sums["low"] += (policy.clipped_low * batch.mask).sum()
        sums["high"] += (policy.clipped_high * batch.mask).sum()
        sums["entropy"] += (now.entropy[copies] * batch.mask).sum()
        # The sampler's numbers are the policy's before the first update of its generation.
        sums["difference"] += ((old - batch.spread([row.sampled for row in rows])).abs() * batch.mask).sum()

    @torch.no_grad()
    def _route(self, rows: Sequence[Experience], numbers: Sequence[int]) -> None:
        """The experts' load is that of the whole batch, also of what has no gradient."""
        for groups in self._micro_batches(rows, numbers):
            batch = self.learner.collate([rows[group[0]] for group in groups])
            with self.learner.balancer.counting(_counted(batch, groups)):
                kept_logits(self.module, replace(batch, mask=batch.mask[:, :0]), bf16=self.options.bf16)

    def _allowed(self, rows: Sequence[Experience], batch: Batch) -> Tensor | None:
        if rows[0].allowed is None:
            return None
        vocabulary = self.module.get_output_embeddings().weight.shape[0]
        mask = torch.ones((*batch.mask.shape, vocabulary), dtype=torch.bool, device=self.learner.device)
        for row, start, own in zip(rows, batch.starts, mask, strict=True):
            assert row.allowed is not None
            row.allowed.write(own[start : start + len(row.completion_ids)])
        return mask

    def _is_learnt_from(self, row: Experience) -> bool:
        return row.counted and (row.advantage != 0 or self.options.beta > 0)

    def _micro_batches(self, rows: Sequence[Experience], numbers: Sequence[int]) -> list[list[list[int]]]:
        """The numbers in micro-batches of groups of equal rows."""
        groups = alike(rows, numbers)
        cut = micro_batches([rows[group[0]] for group in groups], self.options.tokens_per_micro_batch)
        return [[groups[i] for i in batch] for batch in cut]


def without_dropout(module: nn.Module) -> None:
    """Turn dropout off for good: it would be noise in each ratio and in the KL divergence, and no model sampled so."""
    for part in module.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        for name, value in list(vars(part).items()):
            if "drop" in name and isinstance(value, float):  # what the functional form is given, as in LlamaAttention
                setattr(part, name, 0.0)


def _counted(batch: Batch, groups: Sequence[Sequence[int]]) -> Tensor:
    """[rows, tokens]: how often each token is in the batch that the groups of equal rows are of; 0 for padding."""
    return batch.tokens * torch.tensor([len(group) for group in groups], device=batch.tokens.device)[:, None]


def _known(logprobs: Tensor | None) -> Tensor:
    assert logprobs is not None
    return logprobs
