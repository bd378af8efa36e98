"""What cannot work is said before anything is launched, each with its own way out."""

import json
import shutil
import socket
import subprocess
import sys
import time
import venv

import pytest

from guerdon import GuerdonError
from guerdon.events import Listeners
from guerdon.journal import Journal
from guerdon.registry import load
from guerdon.training import begun, train
from guerdon_openrlhf import commands
from guerdon_openrlhf.preflight import facts

REQUEST = {
    "module": "openrlhf.cli.train_ppo_ray",
    "arguments": ["--algo.advantage.estimator", "group_norm", "--rollout.n_samples_per_prompt", "2"],
    "attention": "eager",
}


def trained(path, say=lambda _: None):
    from guerdon import runfile

    file = runfile.load(path)
    with begun(file, resume=False, overwrite=True):
        train(file, Listeners(load().manager), say)


@pytest.fixture
def elsewhere(tmp_path, run_file):
    """A run file whose run has a directory of its own."""

    def write(*args, **changed):
        path = run_file(*args, **changed)
        text = path.read_text().replace(f'directory = "{tmp_path}"', f'directory = "{tmp_path / "run"}"')
        (tmp_path / "mine.toml").write_text(text)
        path.unlink()
        return tmp_path / "mine.toml"

    return write


def test_an_environment_without_vllm_is_named(elsewhere):
    said = []
    with pytest.raises(GuerdonError, match=r"has no (deepspeed|vllm)") as error:
        trained(elsewhere(trainer={"attn_implementation": "eager"}), said.append)
    assert sys.executable in error.value.where
    assert "train-on-a-cluster.md" in error.value.way_out
    assert said == ["writing the questions", "looking whether OpenRLHF can train this, here"]


def test_a_python_that_is_not_there_is_named(elsewhere):
    with pytest.raises(GuerdonError, match="/no/such/python: cannot be started: No such file"):
        trained(elsewhere(trainer={"python": "/no/such/python"}))


@pytest.mark.slow
def test_a_python_without_guerdon_is_told_how_to_get_it(elsewhere, tmp_path):
    venv.create(tmp_path / "bare")
    python = str(tmp_path / "bare" / "bin" / "python")
    with pytest.raises(GuerdonError, match=r"guerdon is not installed there; .*pip install guerdon"):
        trained(elsewhere(trainer={"python": python}))


def test_another_version_of_openrlhf_is_refused(tmp_path, monkeypatch):
    metadata = tmp_path / "openrlhf-0.9.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: openrlhf\nVersion: 0.9.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(GuerdonError, match=r"has OpenRLHF 0\.9\.0, and guerdon is written for 0\.11\.2"):
        facts(REQUEST)


def test_flash_attention_that_is_not_there_is_named_with_another_way(tmp_path, monkeypatch):
    for name in ("deepspeed", "vllm"):  # only whether they could be found is asked
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    request = {**REQUEST, "attention": "flash_attention_2", "config": "x", "stage": "train", "gpus": 1, "ray": False}
    with pytest.raises(GuerdonError, match='has no flash_attn; install it, or choose attn_implementation = "sdpa"'):
        facts(request)


def test_too_few_gpus_are_counted(tmp_path, monkeypatch, run_file):
    for name in ("deepspeed", "vllm"):
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    request = {**REQUEST, "config": str(run_file()), "stage": "train", "gpus": 8, "ray": False}
    with pytest.raises(GuerdonError, match=r"GPUs: this machine has .*, and the stage asks for 8; choose fewer"):
        facts(request)


def test_a_reward_that_is_not_installed_there_is_named(tmp_path, monkeypatch, run_file):
    for name in ("deepspeed", "vllm"):
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    path = run_file()
    path.write_text(path.read_text() + '\n[rewards.rhyme]\nuse = "rhyme"\n')
    request = {**REQUEST, "config": str(path), "stage": "train", "gpus": 1, "ray": False}
    with pytest.raises(GuerdonError, match="no reward is named 'rhyme'"):
        facts(request)


def test_a_reward_server_that_is_down_is_named(tmp_path, monkeypatch, run_file):
    for name in ("deepspeed", "vllm"):
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        path = run_file(trainer={"reward_servers": [url]})
        request = {**REQUEST, "config": str(path), "stage": "train", "gpus": 1, "ray": False}
        with pytest.raises(GuerdonError, match=url):
            facts(request)


def test_a_ray_cluster_that_does_not_answer_is_named_soon(elsewhere):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(GuerdonError, match=f"ray_address {address}: no Ray cluster answers there"):
            trained(elsewhere(trainer={"ray_address": address}))
        assert time.monotonic() - began < 60


def test_a_lora_adapter_is_refused_with_the_reason(elsewhere, model, tmp_path):
    policy = {"use": "checkpoint", "path": str(model), "lora_rank": 4}
    text = elsewhere().read_text()
    import tomllib

    import tomli_w

    table = tomllib.loads(text)
    table["policy"] = policy
    path = tmp_path / "lora.toml"
    path.write_text(tomli_w.dumps(table))
    with pytest.raises(GuerdonError, match=r"is a LoRA adapter: .*under peft's names"):
        trained(path)


def test_an_auxiliary_loss_is_refused_for_deepseek_v3(elsewhere):
    with pytest.raises(GuerdonError, match="aux_loss_coef: transformers' DeepSeek-V3 computes no auxiliary loss"):
        trained(elsewhere(trainer={"aux_loss_coef": 0.01}))


def test_a_checkpoint_of_openrlhfs_that_is_gone_is_named(tmp_path, run_file, run_of):
    from guerdon_openrlhf.keeping import resumed
    from guerdon_openrlhf.places import Places

    restored = tmp_path / "restored"
    (restored / "trainer").mkdir(parents=True)
    (restored / "trainer" / "openrlhf.json").write_text(json.dumps({"global_step": 3}))
    journal = Journal(tmp_path, "train", Listeners(load().manager), done=3, restored=restored)
    with pytest.raises(GuerdonError, match="global_step3: OpenRLHF's checkpoint is gone; begin anew with --overwrite"):
        resumed(run_of(run_file(), journal), Places(tmp_path / "stages" / "train"), "_actor")


def test_openrlhf_goes_on_from_the_checkpoint_that_the_run_goes_on_from(tmp_path, run_file, run_of):
    from guerdon_openrlhf.keeping import resumed
    from guerdon_openrlhf.places import Places

    places = Places(tmp_path / "stages" / "train")
    for step in (2, 3, 10):
        (places.checkpoints / "_actor" / f"global_step{step}").mkdir(parents=True)
        (places.checkpoints / f"global_step{step}_hf").mkdir()
    (places.checkpoints / "_actor" / "latest").write_text("global_step10")
    restored = tmp_path / "restored"
    (restored / "trainer").mkdir(parents=True)
    (restored / "trainer" / "openrlhf.json").write_text(json.dumps({"global_step": 3}))
    journal = Journal(tmp_path, "train", Listeners(load().manager), done=3, restored=restored)
    assert resumed(run_of(run_file(), journal), places, "_actor") == 3
    assert (places.checkpoints / "_actor" / "latest").read_text() == "global_step3"
    left = sorted(path.name for path in (places.checkpoints / "_actor").iterdir())
    assert left == ["global_step2", "global_step3", "latest"]
    assert sorted(path.name for path in places.checkpoints.glob("*_hf")) == ["global_step2_hf", "global_step3_hf"]


def test_what_a_stage_needs_besides_is_removed_by_overwrite(elsewhere, tmp_path):
    with pytest.raises(GuerdonError):
        trained(elsewhere(trainer={"attn_implementation": "eager"}))
    assert (tmp_path / "run" / "stages" / "train" / "prompts.jsonl").exists()
    (tmp_path / "run" / "stages" / "old").mkdir()
    with pytest.raises(GuerdonError):
        trained(elsewhere(trainer={"attn_implementation": "eager"}))
    assert not (tmp_path / "run" / "stages" / "old").exists()


def test_a_command_is_shown_an_option_a_line():
    assert commands.shown(["python", "-m", "x y", "--a", "1", "--b"]) == "python -m 'x y' \\\n  --a 1 \\\n  --b"


def test_the_real_interpreter_can_be_asked():
    assert shutil.which(sys.executable)
    answer = subprocess.run(
        [sys.executable, "-m", "guerdon_openrlhf.preflight", json.dumps(REQUEST)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.splitlines()[-1] == 'GUERDON-PREFLIGHT {"openrlhf": "0.11.2"}'
