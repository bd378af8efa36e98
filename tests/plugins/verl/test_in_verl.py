"""The rewards of a run file in verl's real reward managers, by verl's real loader."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from real_verl import batch, configured, judged
from tokenizer_of_bytes import byte_tokenizer

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent

MIX = """
[rewards.format]
use = "think-tags"
weight = 0.5
[rewards.math]
use = "boxed-math"
"""
RIGHT = r"<think>6 × 7</think><answer>\boxed{42}</answer>"
ROWS: list[dict[str, Any]] = [
    {"completion": RIGHT, "ground_truth": "42"},
    {"completion": r"\boxed{42}", "ground_truth": "42"},
    {"completion": r"\boxed{41}", "ground_truth": "42", "extra_info": {"question": "What is 6 × 7?"}},
    {"completion": RIGHT, "ground_truth": "no number at all {"},
    {"completion": "日本語 " * 20, "ground_truth": "7"},
]
KEYS = {"score", "unscored", "outcome", "reason"}
KEYS |= {f"{what}/{name}" for what in ("rewards", "outcomes", "reasons") for name in ("format", "math")}


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return byte_tokenizer()


@pytest.fixture
def mix(tmp_path: Path) -> Path:
    path = tmp_path / "mix.toml"
    path.write_text(MIX)
    return path


def substitute(value: float) -> str:
    return f"+reward.custom_reward_function.reward_kwargs.substitute={value}"


@pytest.mark.parametrize(
    ("manager", "name"),
    [
        ("naive", "compute_score"),
        ("naive", "compute_score_async"),
        ("dapo", "compute_score_async"),
        ("gdpo", "compute_score_async"),
        ("rate_limited", "compute_score_async"),
    ],
)
def test_the_managers_of_the_reward_loop_take_them(mix: Path, tokenizer: Any, manager: str, name: str) -> None:
    config = configured(mix, name, f"reward.reward_manager.name={manager}", substitute(-2))
    found = judged(config, tokenizer, batch(tokenizer, ROWS))
    assert [one["reward_score"] for one in found] == [1.5, 1.0, 0.0, -2.0, 0.0]
    shown = [one["reward_extra_info"] for one in found]
    assert all(set(one) == KEYS for one in shown)
    assert [one["unscored"] for one in shown] == [0.0, 0.0, 0.0, 1.0, 0.0]
    assert [one["outcomes/math"] for one in shown] == ["scored", "scored", "scored", "bad_ground_truth", "scored"]
    assert [(one["rewards/format"], one["rewards/math"]) for one in shown][2:4] == [(0.0, 0.0), (1.0, -2.0)]
    assert "'math' has no score" in shown[3]["reason"]


def test_the_batch_manager_judges_a_batch_at_once(mix: Path, tokenizer: Any) -> None:
    from verl.trainer.ppo.reward import get_custom_reward_fn
    from verl.workers.reward_manager import get_reward_manager_cls

    function = get_custom_reward_fn(configured(mix, "compute_score_batch"))
    manager = get_reward_manager_cls("batch")(tokenizer=tokenizer, num_examine=1, compute_score=function)
    data = batch(tokenizer, ROWS)
    found = manager(data, return_dict=True)
    assert found["reward_tensor"].sum(-1).tolist() == [1.5, 1.0, 0.0, 0.0, 0.0]
    assert found["reward_extra_info"]["unscored"] == [0.0, 0.0, 0.0, 1.0, 0.0]
    assert set(found["reward_extra_info"]) == KEYS
    # The reward stands at the last token of each completion.
    lengths = data.batch["attention_mask"][:, 2:].sum(-1)
    assert found["reward_tensor"][0, lengths[0] - 1] == 1.5


def test_the_older_naive_manager_takes_them_too(mix: Path, tokenizer: Any) -> None:
    from verl.trainer.ppo.reward import get_custom_reward_fn
    from verl.workers.reward_manager import get_reward_manager_cls

    function = get_custom_reward_fn(configured(mix, "compute_score"))
    manager = get_reward_manager_cls("naive")(tokenizer=tokenizer, num_examine=0, compute_score=function)
    assert manager(batch(tokenizer, ROWS)).sum(-1).tolist() == [1.5, 1.0, 0.0, 0.0, 0.0]


def test_it_can_be_loaded_by_the_path_of_its_file(mix: Path, tokenizer: Any) -> None:
    import guerdon_verl

    path = f"reward.custom_reward_function.path={guerdon_verl.__file__}"
    found = judged(configured(mix, "compute_score_async", path), tokenizer, batch(tokenizer, ROWS[:1]))
    assert found[0]["reward_score"] == 1.5


def test_columns_and_domains_come_from_verls_command_line(tmp_path: Path, tokenizer: Any) -> None:
    path = tmp_path / "mix.toml"
    path.write_text(MIX + 'domains = ["openai/gsm8k"]\n')
    kwargs = "reward.custom_reward_function.reward_kwargs"
    rows = [
        {"completion": RIGHT, "ground_truth": None, "data_source": source, "extra_info": {"answer": "42"}}
        for source in ("openai/gsm8k", "poems")
    ]
    columns = f"+{kwargs}.columns={{domain: data_source, ground_truth: extra_info.answer}}"
    overrides = f"+{kwargs}.overrides=['rewards.format.weight=4']"
    found = judged(configured(path, "compute_score_async", columns, overrides), tokenizer, batch(tokenizer, rows))
    assert [one["reward_score"] for one in found] == [5.0, 4.0]
    assert found[1]["reward_extra_info"]["outcomes/math"] == "not_applicable"


def test_what_verl_makes_of_them_in_a_validation(mix: Path, tokenizer: Any) -> None:
    from verl.trainer.ppo.metric_utils import process_validation_metrics

    found = judged(configured(mix, "compute_score_async"), tokenizer, batch(tokenizer, ROWS))
    infos = {key: [one["reward_extra_info"][key] for one in found] for key in KEYS}
    metrics = process_validation_metrics(["math"] * 5, ["a", "a", "a", "b", "b"], infos)["math"]
    assert set(metrics) == {"score", "unscored", "rewards/format", "rewards/math"}
    assert metrics["unscored"]["mean@2"] == 0.5


def test_a_term_can_be_a_reward_of_gdpo_and_never_makes_its_advantages_nan(mix: Path, tokenizer: Any) -> None:
    import torch
    from verl.trainer.ppo.core_algos import compute_gdpo_outcome_advantage

    data = batch(tokenizer, ROWS)
    found = judged(configured(mix, "compute_score_async"), tokenizer, data)
    mask = data.batch["attention_mask"][:, 2:]
    advantages, _ = compute_gdpo_outcome_advantage(
        torch.zeros_like(mask, dtype=torch.float32),
        mask,
        np.array(["a", "a", "a", "b", "b"]),
        config={"gdpo_reward_keys": ["rewards/format", "rewards/math"]},
        non_tensor_batch={key: np.array([one["reward_extra_info"][key] for one in found]) for key in KEYS},
        batch=data.batch,
    )
    assert torch.isfinite(advantages).all()
    assert advantages[0, 0] > advantages[1, 0] > advantages[2, 0]


REWARD_LOOP = """
import json, sys
import ray
from real_verl import batch, configured
from tokenizer_of_bytes import byte_tokenizer
from verl.experimental.reward_loop.reward_loop import RewardLoopManager

run_file, directory, manager, rows = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
tokenizer = byte_tokenizer()
tokenizer.save_pretrained(directory)
name = "compute_score" if manager == "remote" else "compute_score_async"
config = configured(run_file, name, f"actor_rollout_ref.model.path={directory}",
    f"reward.num_workers={1 if manager == 'remote' else 2}", f"reward.reward_manager.name={manager}",
    "+reward.custom_reward_function.reward_kwargs.workers=1")
ray.init("local", num_cpus=8, include_dashboard=False, log_to_driver=True, logging_level="ERROR")
found = RewardLoopManager(config).compute_rm_score(batch(tokenizer, rows))
infos = {key: found.non_tensor_batch[key].tolist() for key in found.meta_info["reward_extra_keys"]}
print(json.dumps([found.batch["rm_scores"].sum(-1).tolist(), infos]))
ray.shutdown()
"""


@pytest.mark.parametrize("manager", ["naive", "remote"])
def test_in_the_reward_workers_that_verl_starts(mix: Path, tmp_path: Path, manager: str) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    arguments = [str(mix), str(model), manager, json.dumps(ROWS)]
    ended = subprocess.run(
        [sys.executable, "-c", REWARD_LOOP, *arguments],
        capture_output=True,
        check=False,
        text=True,
        timeout=500,
        env={**os.environ, "PYTHONPATH": f"{HERE}{os.pathsep}{HERE.parent / 'trl'}"},
    )
    assert ended.returncode == 0, ended.stderr
    scores, infos = json.loads(ended.stdout.splitlines()[-1])
    assert np.allclose(scores, [1.5, 1.0, 0.0, 0.0, 0.0])
    assert infos["unscored"] == [0.0, 0.0, 0.0, 1.0, 0.0]
    assert set(infos) == KEYS
