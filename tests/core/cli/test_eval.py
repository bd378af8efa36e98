"""guerdon eval RUN|CHECKPOINT."""

import json
import shutil

import pytest

from guerdon.checkpoints import Checkpoints
from guerdon_local import DeepseekV3

RUN = """
directory = "elsewhere"
seed = 5

[sampler]
use = "local"

[rewards.accuracy]
use = "boxed-math"

[rewards.digits]
use = "right"
weight = 0.5
"""
EVALUATION = """
[evaluation]
tasks = { use = "file", path = "tasks.jsonl" }
correct = ["accuracy"]
k = 2
max_completion_length = 6
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A checkpoint of a model that has learnt nothing."""
    return DeepseekV3(hidden_size=16).checkpoint(tmp_path_factory.mktemp("model"))


@pytest.fixture
def at(place, model):
    """A run with two checkpoints, and its tasks."""
    (place / "run").mkdir()
    place.write("run/config.toml", RUN + EVALUATION)
    for step in (5, 10):
        with Checkpoints(place / "run" / "checkpoints").saving(step, "train", step, step == 10) as directory:
            shutil.copytree(model, directory, dirs_exist_ok=True)
    place.rollouts(
        ({"id": f"t{n}", "prompt": f"{n}+{n}=", "ground_truth": str(2 * n)} for n in range(5)), "tasks.jsonl"
    )
    shutil.copytree(model, place / "plain")
    place.write("with.toml", RUN)
    return place


def told(ended):
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def test_a_run_is_its_last_checkpoint_on_its_own_held_out_tasks(at):
    said = told(at.guerdon("eval", "run", "--json"))
    assert said["checkpoint"] == "run/checkpoints/step-00010"
    assert (said["tasks"], said["samples"], said["k"]) == (5, 10, 2)
    assert said["sampling"] == {"temperature": 1.0, "top_p": 1.0, "max_completion_length": 6, "seed": 5}
    assert {
        "pass@1",
        "pass@1/low",
        "pass@1/high",
        "pass@2",
        "cons@2",
        "rewards/accuracy/mean",
        "rewards/digits/mean",
    } <= (said.keys())
    assert 0 < said["mean_length"] <= 6
    assert [one["id"] for one in said["per_task"]] == [f"t{n}" for n in range(5)]
    assert said["per_task"][0].keys() == {"id", "n", "c", "unscored", "pass@1", "pass@2", "cons@2"}


def test_the_table_says_the_same(at):
    ended = at.guerdon("eval", "run")
    assert ended.returncode == 0, ended.stderr
    lines = [line.split() for line in ended.stdout.splitlines()]
    (share,) = [line for line in lines if line[:1] == ["pass@1"]]
    assert share[3] == "to"
    assert any(line[:1] == ["cons@2"] for line in lines)
    assert lines[-1][:2] == ["5", "tasks:"]
    assert "run/checkpoints/step-00010: 5 tasks × 2, at temperature 1\n" in ended.stderr


def test_what_is_said_on_the_command_line_wins(at):
    asked = ["-k", 3, "--limit", 2, "--temperature", 0.5, "--top-p", 0.9, "--max-completion-length", 4, "--seed", 11]
    said = told(at.guerdon("eval", "run/checkpoints/step-00005", *asked, "--correct", "digits", "--json"))
    assert said["checkpoint"] == "run/checkpoints/step-00005"
    assert (said["tasks"], said["k"]) == (2, 3)
    assert said["sampling"] == {"temperature": 0.5, "top_p": 0.9, "max_completion_length": 4, "seed": 11}


def test_the_same_seed_gives_the_same_and_another_another(at):
    outs = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        at.guerdon("eval", "run", "--seed", seed, "--out", f"{name}.jsonl")
        outs.append([row["completion"] for row in at.rows(f"{name}.jsonl")])
    assert outs[0] == outs[1] != outs[2]


def test_greedy_sampling_says_the_same_every_time(at):
    at.guerdon("eval", "run", "-k", 4, "--temperature", 0, "--out", "out.jsonl")
    by_task = {}
    for row in at.rows("out.jsonl"):
        by_task.setdefault(row["id"], set()).add(row["completion"])
    assert [len(one) for one in by_task.values()] == [1] * 5


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
def test_every_completion_can_be_kept_and_scored_again(at, name):
    assert f"every completion is in {name}\n" in at.guerdon("eval", "run", "--out", name).stderr
    ended = at.guerdon("score", "with.toml", name, "--out", "again.jsonl")
    assert ended.returncode == 0, ended.stderr
    rows = at.rows("again.jsonl")
    assert len(rows) == 10
    assert {row["sample"] for row in rows} == {0, 1}
    assert all(row["correct"] == (row["terms"]["accuracy"]["value"] == 1) for row in rows)


def test_any_checkpoint_is_evaluated_with_a_run_files_rewards_and_sampler(at):
    asked = ["--tasks", "tasks.jsonl", "--correct", "accuracy", "--max-completion-length", 3]
    said = told(at.guerdon("eval", "plain", "--file", "with.toml", *asked, "--json"))
    assert (said["checkpoint"], said["tasks"], said["k"]) == ("plain", 5, 1)
    assert "pass@2" not in said


def test_tasks_may_be_installed_ones_with_options(at):
    asked = ["--tasks", '{ use = "sums", size = 3, split = "test" }', "--json"]
    assert told(at.guerdon("eval", "run", *asked))["tasks"] == 3


def test_columns_of_a_file_may_have_other_names(at):
    at.rollouts([{"question": "1+1=", "answer": "2"}], "theirs.jsonl")
    asked = ["--tasks", "theirs.jsonl", "--map", "prompt=question", "--map", "ground_truth=answer", "--json"]
    assert told(at.guerdon("eval", "run", *asked))["tasks"] == 1


def test_a_damaged_checkpoint_is_told_and_the_one_before_it_taken(at):
    (at / "run" / "checkpoints" / "step-00010" / "model.safetensors").write_bytes(b"torn")
    ended = at.guerdon("eval", "run", "--json")
    assert told(ended)["checkpoint"] == "run/checkpoints/step-00005"
    assert "model.safetensors: is damaged" in ended.stderr
    assert "is damaged" in at.complaint("eval", "run/checkpoints/step-00010")


def test_nothing_but_json_is_printed_whatever_plugins_print(at):
    at.install("a-chatterbox", "chatterbox", "print('hello')\nfrom guerdon import hookimpl\n"
               "@hookimpl\ndef rollouts_scored(totals): pass\n")  # fmt: skip
    assert told(at.guerdon("eval", "run", "--json"))["tasks"] == 5


def test_where_no_completion_is_scored_nothing_is_claimed(at):
    at.rollouts([{"prompt": "1+1=", "ground_truth": ["no", "text"]}], "odd.jsonl")
    ended = at.guerdon("eval", "run", "--tasks", "odd.jsonl")
    assert ended.returncode == 1
    assert "pass@1" not in ended.stdout
    assert "2 completions without a score left out, most often: " in ended.stdout
    assert "no completion was scored" in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["plain"],
            "plain: is no run and no checkpoint of one, so how to sample and judge is not known; name a run file",
        ),
        (["nobody/no-such-model"], "nobody/no-such-model: is not here, or no run, so how to sample"),
        (["run", "--tasks", "nowhere.jsonl"], "nowhere.jsonl"),
        (["run", "--tasks", "smus"], "--tasks.use: no tasks is named 'smus'; did you mean 'sums'?"),
        (["run", "--correct", "acuracy"], "--correct: no reward is named 'acuracy'; did you mean 'accuracy'?"),
        (["run", "--top-p", "0"], "--top-p: is more than 0"),
        (["run", "--out", "out.txt"], "out.txt: is neither .jsonl nor .parquet"),
        (["run", "--out", "nowhere/out.jsonl"], "there is no directory nowhere"),
        (["run", "--map", "promt=question"], "'promt' is none of guerdon's columns"),
        (["plain", "--file", "with.toml"], "--correct: says which reward decides what is right: accuracy, digits"),
        (["plain", "--file", "with.toml", "--correct", "digits"], "--tasks: says what to evaluate on"),
        (["plain", "--file", "nowhere.toml"], "nowhere.toml: does not exist"),
        (["tasks.jsonl"], "tasks.jsonl: is no run and no checkpoint of one"),
    ],
)
def test_a_mistake_is_one_clear_error(at, arguments, said):
    assert said in at.complaint("eval", *arguments)


def test_a_directory_without_a_model_is_named(at):
    (at / "empty").mkdir()
    asked = ["--file", "with.toml", "--tasks", "tasks.jsonl", "--correct", "accuracy"]
    assert "empty: is no Hugging Face checkpoint: it has no config.json" in at.complaint("eval", "empty", *asked)


def test_a_run_without_a_checkpoint_is_named(at):
    shutil.rmtree(at / "run" / "checkpoints")
    assert "run: holds no whole checkpoint; train it first" in at.complaint("eval", "run")


def test_a_run_file_without_a_sampler_or_rewards_is_named(at):
    asked = ["plain", "--tasks", "tasks.jsonl", "--correct", "accuracy", "--file"]
    at.write("no-sampler.toml", '[rewards.accuracy]\nuse = "boxed-math"\n')
    assert "no-sampler.toml: sampler: there is none" in at.complaint("eval", *asked, "no-sampler.toml")
    at.write("no-rewards.toml", '[sampler]\nuse = "local"\n')
    assert "rewards: there is none" in at.complaint("eval", *asked, "no-rewards.toml")


def test_an_empty_file_of_tasks_is_named(at):
    at.write("none.jsonl", "")
    assert "none.jsonl: is empty" in at.complaint("eval", "run", "--tasks", "none.jsonl")


@pytest.mark.slow
def test_a_name_on_the_hub_that_cannot_be_had_is_named(at):
    asked = ["--file", "with.toml", "--tasks", "tasks.jsonl", "--correct", "accuracy"]
    ended = at.process("eval", "nobody/no-such-model", *asked, HF_HUB_OFFLINE="1")
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: nobody/no-such-model: is no directory here, and cannot be had from the ")
    assert "Traceback" not in ended.stderr


def test_it_finds_what_the_evaluation_in_training_found(at):
    """The same checkpoint, settings and seed, sampled from the model in memory."""
    import asyncio

    from guerdon import opened, runfile
    from guerdon.evaluation import Evaluator
    from guerdon_local.models import load

    at.write("run/config.toml", RUN.replace('"right"', '"think-tags"') + EVALUATION)  # what is installed here too
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(at.directory)
        described = runfile.load(at / "run" / "config.toml")

        async def during() -> dict[str, float]:
            async with described.mixture(1) as mixture, opened(described.sampler):
                evaluator = Evaluator(described.evaluation, mixture, at / "run", described.seed, before=0)
                live = load(at / "run" / "checkpoints" / "step-00010", train=True)
                return dict(await evaluator.after(10, True, live, described.sampler))

        metrics = asyncio.run(during())
    said = told(at.guerdon("eval", "run", "--json"))
    assert metrics == {f"eval/{name}": value for name, value in said.items() if f"eval/{name}" in metrics}
    assert {"eval/pass@1", "eval/mean_length", "eval/cons@2"} <= metrics.keys()
