"""The recipes that mix rewards of models with verified ones: what they pay for, and that they run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from guerdon import Task, registry, runfile
from guerdon.checkpoints import Checkpoints
from guerdon.journal import read_metrics
from guerdon.runfile import RunFile
from guerdon.totals import Term
from guerdon_local.tokenizer import PRINTABLE
from guerdon_local.tokenizer import build as tokenizer_of
from guerdon_preference import PreferenceModel

MIXTURES = ("reasoning-mixture", "general-mixture", "all-scenarios")


def recipe(name: str) -> RunFile:
    return runfile.load(registry.load().recipe(name).path)


def guerdon(at: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-m", "guerdon", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(words, cwd=at, capture_output=True, text=True, check=False, env=environment)


def weights(terms: "tuple[Term, ...]", domain: str) -> dict[str, float]:
    task = Task("t", "?", domain=domain)
    return {term.name: term.weight for term in terms if term.domains is None or task.domain in term.domains}


def test_reasoning_is_seven_parts_accuracy_and_three_parts_process() -> None:
    assert weights(recipe("reasoning-mixture").terms, "math") == {"accuracy": 0.7, "process": 0.3}


def test_general_is_half_helpfulness_and_every_value_has_the_same_range() -> None:
    terms = recipe("general-mixture").terms
    assert weights(terms, "helpful") == {"helpfulness": 0.5, "harmlessness": 0.3, "readability": 0.2}
    for term in terms:
        if isinstance(term.reward, PreferenceModel):
            assert term.reward.clip == (0, 1)


def test_r1_judges_a_general_prompt_by_one_of_two_models_and_never_a_sum() -> None:
    terms = recipe("all-scenarios").stages[-1].terms
    both = {"format": 1, "language": 1}
    assert weights(terms, "math") == {"accuracy": 1, **both}
    assert weights(terms, "helpful") == {"helpful": 1, **both}
    assert weights(terms, "harmless") == {"harmless": 1, **both}
    assert [term.reward.scope for term in terms if isinstance(term.reward, PreferenceModel)] == ["answer", "completion"]


def test_r1_brings_general_prompts_and_preference_models_in_for_the_last_400_of_1700_steps_only() -> None:
    _, reasoning, everything = recipe("all-scenarios").stages
    steps = [stage.trainer.model_dump()["steps"] for stage in (reasoning, everything)]
    assert [10 * count for count in steps] == [1300, 400]
    assert not [term for term in reasoning.terms if term.reward.model_based]
    assert {task.domain for task in reasoning.tasks or ()} == {"math"}
    assert {task.domain for task in everything.tasks or ()} == {"math", "helpful", "harmless"}


def test_the_models_that_a_recipe_needs_are_where_the_other_recipe_puts_them() -> None:
    makes = recipe("reward-models")
    ends, steps = [], 0
    for stage in makes.stages:
        steps += stage.trainer.model_dump()["steps"]
        ends.append(str(makes.directory / f"checkpoints/step-{steps:05d}"))
    for name in ("all-scenarios", "general-mixture"):
        terms = recipe(name).stages[-1].terms
        assert [term.reward.model for term in terms if isinstance(term.reward, PreferenceModel)] == ends
        assert "`guerdon train reward-models`" in registry.load().recipe(name).path.read_text("utf-8")


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with two tiny reward models where `reward-models` puts them."""
    from transformers import Qwen2Config, Qwen2ForSequenceClassification

    at = tmp_path_factory.mktemp("mixtures")
    tokenizer = tokenizer_of(PRINTABLE)
    size = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = Qwen2Config(vocab_size=len(tokenizer), num_key_value_heads=1, num_labels=1, pad_token_id=0, **size)
    for step in (100, 200):
        place = at / f"runs/reward-models/checkpoints/step-{step:05d}"
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(step)
            Qwen2ForSequenceClassification(config).save_pretrained(place)
        tokenizer.save_pretrained(place)
    return at


@pytest.mark.parametrize("name", MIXTURES)
def test_check_accepts_a_mixture_as_it_is_printed(at: Path, name: str) -> None:
    (at / "my.toml").write_text(guerdon(at, "recipe", name).stdout)
    checked = guerdon(at, "check", "my.toml", "--limit", "200")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_without_the_models_check_names_the_one_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(guerdon(tmp_path, "recipe", "general-mixture").stdout)
    checked = guerdon(tmp_path, "check", "my.toml", "--limit", "1")
    assert checked.returncode == 2
    assert "runs/reward-models/checkpoints/step-00100: cannot be read as a reward model" in checked.stderr


SMALL = {
    "reasoning-mixture": ["evaluation.tasks.size=8", "stages.start.trainer.steps=10", "stages.rl.trainer.steps=3"],
    "general-mixture": ["stages.start.trainer.steps=10", "stages.rl.trainer.steps=3"],
    "all-scenarios": [
        "evaluation.tasks.size=8",
        "stages.start.trainer.steps=10",
        "stages.reasoning.trainer.steps=2",
        "stages.all-scenarios.trainer.steps=3",
    ],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MIXTURES)
def test_a_mixture_trains_and_says_what_a_models_opinion_goes_along_with(at: Path, name: str) -> None:
    trained = guerdon(at, "train", name, *(f"--set={one}" for one in SMALL[name]))
    assert trained.returncode == 0, trained.stderr
    last = list(read_metrics(at / "runs" / name))[-1]
    assert last["rollouts/unscored"] == 0
    terms = recipe(name).stages[-1].terms
    assert {term.name for term in terms} == {key.split("/")[1] for key in last if key.startswith("rewards/")}
    for term in terms:
        assert (f"correlation/{term.name}/length" in last) == term.reward.model_based


@pytest.mark.slow
def test_the_recipe_for_reward_models_learns_what_is_liked_and_what_is_safe(tmp_path: Path) -> None:
    trained = guerdon(tmp_path, "train", "reward-models")
    assert trained.returncode == 0, trained.stderr
    lines = list(read_metrics(tmp_path / "runs/reward-models"))
    found = {line["stage"]: line["eval/accuracy"] for line in lines if "eval/accuracy" in line}
    assert found["helpful"] >= 0.95
    assert found["harmless"] >= 0.95
    assert [saved.step for saved in Checkpoints(tmp_path / "runs/reward-models/checkpoints").found()] == [100, 200]
