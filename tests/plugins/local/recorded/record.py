"""Records what TRL's and OpenRLHF's own code makes of the same numbers, into losses.json next to this file.

    python -m venv peers && peers/bin/pip install torch==2.13.0 trl==1.16.0
    pip download --no-deps openrlhf==0.11.2 && unzip -d openrlhf openrlhf-0.11.2-*.whl
    peers/bin/python record.py openrlhf

`GRPOTrainer._compute_loss` is called as it is, on a stand-in for the trainer that has the options it reads and returns
our log-probabilities in place of a model's. OpenRLHF's `PolicyLoss` and `compute_approx_kl` are imported from the
wheel's files; only `deepspeed`, which they import and do not use here, is an empty module. Each case has the loss and
its gradient with respect to the log-probabilities.
"""

import importlib.util
import itertools
import json
import sys
from collections import defaultdict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch

MAX_COMPLETION_LENGTH = 12


def numbers() -> dict[str, torch.Tensor]:
    torch.manual_seed(7)
    rows, tokens = 6, 9
    lengths = torch.tensor([9, 1, 4, 7, 0, 6])  # one of them is masked out, as a truncated completion may be
    logprobs = -torch.rand(rows, tokens) * 3
    return {
        "logprobs": logprobs,
        "old": logprobs + 0.4 * torch.randn(rows, tokens),
        "reference": logprobs + 0.4 * torch.randn(rows, tokens),
        "advantages": torch.tensor([1.2, -0.7, 0.0, -1.5, 0.4, 0.6]),
        "mask": (torch.arange(tokens) < lengths[:, None]).float(),
    }


def of_trl(given: dict[str, torch.Tensor], case: dict[str, Any]) -> torch.Tensor:
    from trl import GRPOTrainer

    def reduced(value: torch.Tensor, reduction: str) -> torch.Tensor:
        return value

    trainer = SimpleNamespace(
        loss_type=case["loss_type"],
        beta=case["beta"],
        epsilon_low=case["epsilon"],
        epsilon_high=case["epsilon_high"],
        importance_sampling_level=case["importance_sampling_level"],
        max_completion_length=MAX_COMPLETION_LENGTH,
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        aux_loss_enabled=False,
        use_vllm=False,
        _entropy_bonus_enabled=False,
        current_gradient_accumulation_steps=1,
        accelerator=SimpleNamespace(num_processes=1, reduce=reduced, gather=lambda value: value),
        args=SimpleNamespace(delta=None, use_bias_correction_kl=False, steps_per_generation=1),
        model=SimpleNamespace(training=True),
        _metrics={"train": defaultdict(list)},
        _get_per_token_logps_and_entropies=lambda *_, **__: (
            given["logprobs"],
            torch.zeros_like(given["logprobs"]),
            None,
        ),
    )
    shape = given["mask"].shape
    inputs = {
        "prompt_ids": torch.zeros(shape[0], 1, dtype=torch.long),
        "prompt_mask": torch.ones(shape[0], 1, dtype=torch.long),
        "completion_ids": torch.zeros(shape, dtype=torch.long),
        "completion_mask": given["mask"],
        "advantages": given["advantages"],
        "old_per_token_logps": given["old"],
        "ref_per_token_logps": given["reference"],
        "num_items_in_batch": given["mask"].sum(),
    }
    loss: torch.Tensor = GRPOTrainer._compute_loss(trainer, None, inputs)
    case["clip_ratio"] = {side: trainer._metrics["train"][f"clip_ratio/{side}_mean"][0] for side in ("low", "high")}
    return loss


def openrlhf_models(place: Path) -> ModuleType:
    """The package openrlhf.models, from its files and without what openrlhf itself would import."""
    (folder,) = place.rglob("openrlhf/models")
    sys.modules["deepspeed"] = ModuleType("deepspeed")
    package = ModuleType("openrlhf_models")
    package.__path__ = [str(folder)]
    sys.modules["openrlhf_models"] = package
    for name in ("utils", "loss"):
        spec = importlib.util.spec_from_file_location(f"openrlhf_models.{name}", folder / f"{name}.py")
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        setattr(package, name, module)
    del sys.modules["deepspeed"]  # TRL looks whether it is there
    return package


def of_openrlhf(package: ModuleType, given: dict[str, torch.Tensor], case: dict[str, Any]) -> torch.Tensor:
    tokenwise = case["loss_type"] == "dapo"
    policy = package.loss.PolicyLoss(
        case["epsilon"],
        case["epsilon_high"],
        token_level_loss=tokenwise,
        policy_loss_type="gspo" if case["importance_sampling_level"] == "sequence" else "ppo",
    )
    advantages = given["advantages"][:, None].expand_as(given["mask"])
    loss: torch.Tensor = policy(given["logprobs"], given["old"], advantages, given["mask"])[0]
    if case["beta"]:
        kl = package.utils.compute_approx_kl(given["logprobs"], given["reference"], kl_estimator="k3")
        loss = loss + case["beta"] * package.loss.aggregate_loss(kl, given["mask"], tokenwise)
    return loss


def main(openrlhf: Path) -> None:
    package, cases = openrlhf_models(openrlhf), []
    for loss_type, beta, level, epsilon_high in itertools.product(
        ("grpo", "bnpo", "dapo", "dr_grpo"), (0.0, 0.04), ("token", "sequence"), (0.2, 0.28)
    ):
        for peer in ("trl", "openrlhf"):
            # OpenRLHF has no sum by the longest length, and takes the mean of sequences with ratios of sequences.
            if peer == "openrlhf" and (
                loss_type in ("dr_grpo", "bnpo") or (level == "sequence" and loss_type != "grpo")
            ):
                continue
            case: dict[str, Any] = {
                "peer": peer,
                "loss_type": loss_type,
                "beta": beta,
                "importance_sampling_level": level,
                "epsilon": 0.2,
                "epsilon_high": epsilon_high,
            }
            given = numbers()
            if peer == "openrlhf":
                # It leaves masked rows out of the mean; TRL counts them.
                given = {name: value[given["mask"].sum(1) > 0] for name, value in given.items()}
            given["logprobs"].requires_grad_()
            loss = of_trl(given, case) if peer == "trl" else of_openrlhf(package, given, case)
            loss.backward()
            assert given["logprobs"].grad is not None
            cases.append({**case, "loss": loss.item(), "gradient": given["logprobs"].grad.tolist()})
    recorded = {
        "versions": {"trl": "1.16.0", "openrlhf": "0.11.2", "torch": torch.__version__},
        "max_completion_length": MAX_COMPLETION_LENGTH,
        "numbers": {name: value.tolist() for name, value in numbers().items()},
        "cases": cases,
    }
    text = json.dumps(recorded, indent=None).replace('{"peer"', '\n{"peer"')
    (Path(__file__).parent / "losses.json").write_text(text + "\n")
    print(f"{len(cases)} cases")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
