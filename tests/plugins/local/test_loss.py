"""The loss, against TRL's and OpenRLHF's own code on the same numbers, and against what the papers promise."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from guerdon_local.loss import kl_to_reference, policy_loss, token_weights

RECORDED = json.loads((Path(__file__).parent / "recorded" / "losses.json").read_text())
"""See recorded/record.py for how it was made."""


def named(case: dict[str, Any]) -> str:
    return "-".join(
        str(case[key]) for key in ("peer", "loss_type", "beta", "importance_sampling_level", "epsilon_high")
    )


@pytest.mark.parametrize("case", RECORDED["cases"], ids=named)
def test_the_loss_and_its_gradient_are_those_of_trl_and_openrlhf(case: dict[str, Any]) -> None:
    given = {name: torch.tensor(value) for name, value in RECORDED["numbers"].items()}
    if case["peer"] == "openrlhf":
        # It leaves masked rows out of the mean; TRL counts them.
        given = {name: value[given["mask"].sum(1) > 0] for name, value in given.items()}
    logprobs = given["logprobs"].requires_grad_()
    policy = policy_loss(
        logprobs,
        given["old"],
        given["advantages"],
        given["mask"],
        epsilon=case["epsilon"],
        epsilon_high=case["epsilon_high"],
        level=case["importance_sampling_level"],
    )
    per_token = policy.per_token
    if case["beta"]:
        per_token = per_token + case["beta"] * kl_to_reference(logprobs, given["reference"])
    lengths = [int(length) for length in given["mask"].sum(1)]
    # TRL's bnpo is dapo where the micro-batch is the batch.
    loss_type = "dapo" if case["loss_type"] == "bnpo" else case["loss_type"]
    weights = torch.tensor(token_weights(lengths, loss_type, RECORDED["max_completion_length"]))
    loss = (per_token * given["mask"] * weights[:, None]).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(case["loss"], abs=1e-6)
    assert logprobs.grad is not None
    torch.testing.assert_close(logprobs.grad, torch.tensor(case["gradient"]), atol=1e-6, rtol=1e-5)
    if case["peer"] == "trl" and case["importance_sampling_level"] == "token":
        clipped = {"low": policy.clipped_low, "high": policy.clipped_high}
        for side, of_tokens in clipped.items():
            share = (of_tokens * given["mask"]).sum() / given["mask"].sum()
            assert share.item() == pytest.approx(case["clip_ratio"][side], abs=1e-6)


def test_what_was_recorded_has_clipped_tokens_on_both_sides() -> None:
    """Or it would say nothing about the clip."""
    cases = [case for case in RECORDED["cases"] if "clip_ratio" in case]
    assert all(case["clip_ratio"][side] > 0 for case in cases for side in ("low", "high") if named(case).count("token"))
    assert len({round(case["loss"], 6) for case in RECORDED["cases"]}) > 15


def test_beyond_the_clip_there_is_no_gradient() -> None:
    logprobs = torch.tensor([[0.5, -0.5, 0.1, -0.1]], requires_grad=True)
    for advantage, expected in ((1.0, [False, True, True, True]), (-1.0, [True, False, True, True])):
        loss = policy_loss(
            logprobs, torch.zeros(1, 4), torch.tensor([advantage]), torch.ones(1, 4), epsilon=0.2, epsilon_high=0.28
        )
        (gradient,) = torch.autograd.grad(loss.per_token.sum(), logprobs)
        assert (gradient[0] != 0).tolist() == expected


def test_a_sequences_ratio_is_moved_little_by_one_token() -> None:
    """One expert that changed makes one token ten times as likely: its own ratio is clipped, the sequence's is not."""
    old = torch.zeros(1, 100)
    new = old.clone()
    new[0, 3] = 2.3
    for level, clipped in (("token", 1.0), ("sequence", 0.0)):
        loss = policy_loss(
            new,
            old,
            torch.ones(1),
            torch.ones(1, 100),
            epsilon=0.2,
            epsilon_high=0.2,
            level=level,  # type: ignore[arg-type]
        )
        assert loss.clipped_high.sum() == clipped


def test_the_kl_is_never_negative_and_nothing_between_equals() -> None:
    logprobs, reference = -torch.rand(2, 50, generator=torch.Generator().manual_seed(0)) * 5, torch.full((50,), -1.0)
    assert (kl_to_reference(logprobs, reference) >= 0).all()
    assert (kl_to_reference(logprobs, logprobs) == 0).all()


def test_weights_add_up_to_what_each_mean_is_of() -> None:
    lengths = [1, 5, 0, 10]
    total = {
        kind: sum(w * n for w, n in zip(token_weights(lengths, kind, 20), lengths, strict=True))  # type: ignore[arg-type]
        for kind in ("grpo", "dapo", "dr_grpo")
    }
    assert total == pytest.approx({"grpo": 3 / 4, "dapo": 1.0, "dr_grpo": 16 / 80})
