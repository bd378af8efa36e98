"""The real OpenRLHF, vLLM, DeepSpeed and Ray on a CPU, launched by `guerdon train` as a user launches them."""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import fmean

import pytest

from guerdon import runfile
from guerdon.checkpoints import Checkpoints, verified
from guerdon.columns import rollout_of
from guerdon.ledger import Ledger

pytestmark = pytest.mark.openrlhf

HERE = Path(__file__).parent
GUERDON = [sys.executable, "-m", "guerdon"]
RECIPE = (HERE / "grpo.toml").read_text("utf-8")


def guerdon(*words, environment, cwd, seconds=1800):
    """A command line of guerdon's, to its end; what it said."""
    done = subprocess.run(
        [*GUERDON, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=seconds,
        env={**os.environ, **environment},
        cwd=cwd,
        check=False,
    )
    log = "".join(path.read_text("utf-8", "replace")[-6000:] for path in Path(cwd).rglob("output.log"))
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}\n{log}"
    return done.stdout + done.stderr


def metrics_of(run, stage):
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if line["stage"] == stage]


def ours(pid):
    """The processes that came of this one and still run."""
    from guerdon_openrlhf.supervisor import descendants

    return descendants(pid)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, cpu_environment):
    """A cold start here, and GRPO by OpenRLHF after it."""
    place = tmp_path_factory.mktemp("grpo")
    (place / "run.toml").write_text(RECIPE)
    said = guerdon("train", "run.toml", environment=cpu_environment, cwd=place)
    return place / "run", said


def test_every_step_comes_home_while_it_runs(trained):
    run, said = trained
    steps = [line for line in metrics_of(run, "rl") if "loss" in line]
    assert [line["step"] - steps[0]["step"] for line in steps] == list(range(8))
    for name in ("reward", "rewards/accuracy/mean", "grad_norm", "learning_rate", "kl", "sampling/kl", "time/step"):
        assert all(line[name] is not None for line in steps), name
    assert "eval/pass@1" in metrics_of(run, "rl")[-1]
    assert "OpenRLHF: vLLM is ready" in said


def test_the_policy_is_really_trained(trained):
    import safetensors.torch

    run, _ = trained
    steps = [line for line in metrics_of(run, "rl") if "loss" in line]
    assert all(line["grad_norm"] > 0 for line in steps)
    assert all(line["kl"] > 0 for line in steps[2:])  # the first update has a learning rate of 0
    last = [saved for saved in Checkpoints(run / "checkpoints").found() if saved.last]
    before, after = last[-2].path, last[-1].path
    old, new = (safetensors.torch.load_file(path / "model.safetensors") for path in (before, after))
    assert sum(float((old[name].float() - new[name].float()).abs().max()) > 1e-4 for name in old) > len(old) / 2


def test_vllms_probabilities_are_nearly_the_trainers(trained):
    run, _ = trained
    assert fmean(line["sampling/kl"] for line in metrics_of(run, "rl") if "loss" in line) < 0.05


def test_the_reward_rises(trained):
    run, _ = trained
    rewards = [line["reward"] for line in metrics_of(run, "rl") if "loss" in line]
    assert fmean(rewards[-3:]) > fmean(rewards[:2]) + 0.15


def test_the_ledger_has_every_rollout_and_a_rescoring_finds_the_same(trained):
    run, _ = trained
    rl = [line for line in metrics_of(run, "rl") if "loss" in line]
    rows = [row for row in Ledger(run).read() if row["step"] >= rl[0]["step"]]
    assert len(rows) == 8 * 16 * 16
    assert len({row["group"] for row in rows}) == 8 * 16
    assert all(row["logprobs"] is not None and len(row["logprobs"]) == len(row["completion_ids"]) for row in rows)
    rollouts = [rollout_of(row, "ledger")[0] for row in rows]
    with runfile.load(run / "config.toml").mixture(stage="rl") as mixture:
        totals = mixture.submit(rollouts).result()
    for row, total in zip(rows, totals, strict=True):
        assert (row["score"], row["reason"], row["paid"]) == (total.value, total.reason, total.value)
        assert {name: term["reason"] for name, term in row["terms"].items()} == {
            name: term.score.reason for name, term in total.terms.items()
        }
    by_step = {line["step"]: line for line in rl}
    for step, line in by_step.items():
        assert line["reward"] == pytest.approx(fmean(row["score"] for row in rows if row["step"] == step))
        # What OpenRLHF itself counted of what it was told, in bfloat16's neighbourhood.
        assert line["reward/shaped"] == pytest.approx(line["reward"], abs=1e-4)


def test_the_last_checkpoint_is_whole_and_any_trainer_or_evaluation_opens_it(trained, cpu_environment):
    run, _ = trained
    last = Checkpoints(run / "checkpoints").found()[-1]
    assert last.last
    assert verified(last.path).path == last.path
    said = guerdon("eval", run, "-k", "2", "--set", "evaluation.limit=20", environment=cpu_environment, cwd=run.parent)
    assert "pass@1" in said


def test_nothing_is_left_running(trained):
    leftovers = subprocess.run(["pgrep", "-f", str(trained[0])], capture_output=True, text=True, check=False).stdout
    assert leftovers == ""


def test_a_run_that_is_killed_goes_on_from_its_last_checkpoint(tmp_path, cpu_environment, trained):
    """kill -9 of guerdon itself: OpenRLHF ends with it, and --resume goes on."""
    cold = next(saved for saved in Checkpoints(trained[0] / "checkpoints").found() if saved.stage == "cold-start")
    text = (HERE / "resumed.toml").read_text("utf-8").replace("CHECKPOINT", str(cold.path))
    (tmp_path / "run.toml").write_text(text)
    with (tmp_path / "first.out").open("w") as out:
        first = subprocess.Popen(
            [*GUERDON, "train", "run.toml"], cwd=tmp_path, env={**os.environ, **cpu_environment}, stdout=out, stderr=out
        )
        until = time.monotonic() + 600
        while len(list((tmp_path / "run" / "checkpoints").glob("step-*"))) < 1:
            assert first.poll() is None, (tmp_path / "first.out").read_text()
            assert time.monotonic() < until
            time.sleep(0.2)
        begun = ours(first.pid)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
    assert len(begun) > 5
    for _ in range(300):
        alive = [pid for pid in begun if Path(f"/proc/{pid}").exists()]
        if not alive:
            break
        time.sleep(0.1)
    assert not alive
    at = Checkpoints(tmp_path / "run" / "checkpoints").found()[-1].step
    guerdon("train", "run.toml", "--resume", environment=cpu_environment, cwd=tmp_path)
    steps = [line["step"] for line in metrics_of(tmp_path / "run", "train") if "loss" in line]
    assert steps == list(range(1, 5))
    assert "Loading the checkpoint" in (tmp_path / "run" / "stages" / "train" / "output.log").read_text(
        "utf-8", "replace"
    )
    first_again = (tmp_path / "run" / "stages" / "train" / "output.log").read_text("utf-8", "replace")
    assert f"Global step {at}:" not in first_again
    assert f"Global step {at + 1}:" in first_again
    rows = list(Ledger(tmp_path / "run").read())
    assert sorted({row["step"] for row in rows}) == list(range(1, 5))


def test_demonstrations_are_learnt_by_openrlhf_too(tmp_path, cpu_environment, tiny_qwen):
    text = (HERE / "sft.toml").read_text("utf-8").replace("CHECKPOINT", str(tiny_qwen))
    (tmp_path / "run.toml").write_text(text)
    guerdon("train", "run.toml", environment=cpu_environment, cwd=tmp_path)
    steps = metrics_of(tmp_path / "run", "train")
    assert [line["step"] for line in steps] == list(range(1, 13))
    assert fmean(line["loss"] for line in steps[-3:]) < fmean(line["loss"] for line in steps[:3]) - 0.5
    last = Checkpoints(tmp_path / "run" / "checkpoints").found()[-1]
    assert (last.path / "model.safetensors").is_file()


def test_pairs_make_a_reward_model_that_the_reward_opens(tmp_path, cpu_environment, tiny_qwen):
    from guerdon import Rollout, Task, opened
    from guerdon_preference import PreferenceModel

    draw = random.Random(0)
    answers = [
        (f"{draw.randrange(90)} so 7", f"{draw.randrange(90)} so {draw.choice('012345689')}") for _ in range(400)
    ]
    rows = [{"prompt": f"{n}?", "chosen": yes, "rejected": no} for n, (yes, no) in enumerate(answers)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = (HERE / "rm.toml").read_text("utf-8").replace("CHECKPOINT", str(tiny_qwen))
    (tmp_path / "run.toml").write_text(text)
    guerdon("train", "run.toml", environment=cpu_environment, cwd=tmp_path)
    logged = metrics_of(tmp_path / "run", "train")
    assert [line["step"] for line in logged if "loss" in line] == list(range(1, 13))
    tried = [line["eval/accuracy"] for line in logged if "eval/accuracy" in line]
    assert len(tried) == 3
    assert tried[-1] > 0.9
    found = Checkpoints(tmp_path / "run" / "checkpoints").found()
    assert [one.step for one in found] == [10, 12]  # the run keeps two

    async def scored(path):
        reward = PreferenceModel(model=str(path), device="cpu")
        async with opened(reward):
            rollouts = [Rollout(Task("t", f"{n}?"), text) for n in range(20) for text in (f"{n} so 7", f"{n} so 3")]
            return [score.value for score in await reward.score(rollouts)]

    values = asyncio.run(scored(found[-1].path))
    assert sum(yes > no for yes, no in zip(values[::2], values[1::2], strict=True)) >= 18


def test_no_gpu_is_said_before_anything_starts(tmp_path, cpu_environment, tiny_qwen):
    shim = ("OPENRLHF_CPU_SHIM", "OPENRLHF_CPU_GPUS")
    without = {**os.environ, **{name: value for name, value in cpu_environment.items() if name not in shim}}
    (tmp_path / "run.toml").write_text((HERE / "resumed.toml").read_text("utf-8").replace("CHECKPOINT", str(tiny_qwen)))
    said = subprocess.run(
        [*GUERDON, "train", "run.toml"], capture_output=True, text=True, env=without, cwd=tmp_path, check=False
    )
    assert said.returncode == 2
    assert "GPUs: this machine has no GPUs, and the stage asks for 1" in said.stderr
