"""Reward models of OpenRLHF's: what it is given, what it says, and what is made of what it leaves."""

import contextlib
import io
import json
import re
from types import SimpleNamespace

import pytest

from guerdon import DataError, Task
from guerdon_openrlhf import pairs
from guerdon_openrlhf.fitting_rm import as_classifier
from guerdon_openrlhf.places import Places
from guerdon_openrlhf.prompts import tokenizer_of
from guerdon_openrlhf.rm_lines import Bars
from guerdon_preference import PreferenceModel
from guerdon_preference.checkpoint import described

TEMPLATES = {
    "plain": None,
    "ends with the end": "{% for m in messages %}<{{ m.role }}>{{ m.content }}" + "EOS" + "\n{% endfor %}",
    "ends otherwise": "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}",
}


def strategy():
    """As much of OpenRLHF's strategy as its data sets ask for."""
    data = SimpleNamespace(prompt_key=None, chosen_key="chosen", rejected_key="rejected", apply_chat_template=False)
    return SimpleNamespace(print=print, is_rank_0=lambda: True, args=SimpleNamespace(data=data, use_ms=False))


@pytest.fixture
def run_with_pairs(run_file, run_of, tmp_path):
    """A run whose tasks are pairs."""

    def make(rows, **options):
        (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        tasks = {"use": "file", "path": str(tmp_path / "pairs.jsonl")}
        trainer = {"use": "openrlhf-rm", "gpus_per_node": 1, "batch_size": 4, "steps": 3, **options}
        text = run_file().read_text().partition("[policy]")[0] + '[policy]\nuse = "deepseek-v3"\n'
        return run_of(run_file(text, tasks=tasks, trainer=trainer))

    return make


def write(run, model):
    """Write the files of the run, which lie in its directory."""
    learnt, held_out = pairs.divided(run, 0.2)
    pairs.write(run.trainer, run, Places(run.directory), model, learnt=learnt, held_out=held_out, steps=3)
    return learnt, held_out


ROWS = [{"prompt": f"{n}+{n}=", "chosen": f" {2 * n}\n", "rejected": "I am not sure."} for n in range(40)]


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_openrlhfs_own_data_set_reads_pairs_as_the_reward_does(template, model, run_with_pairs, tmp_path, monkeypatch):
    from openrlhf.datasets import RewardDataset
    from openrlhf.datasets.utils import blending_datasets

    tokenizer = tokenizer_of(model)
    tokenizer.chat_template = template and template.replace("EOS", tokenizer.eos_token)
    monkeypatch.setattr("guerdon_openrlhf.prompts.tokenizer_of", lambda _: tokenizer)
    run = run_with_pairs(ROWS)
    learnt, held_out = write(run, model)

    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "config.json").write_text((model / "config.json").read_text())
    as_classifier(tmp_path / "copy" / "config.json")
    tokenizer.save_pretrained(tmp_path / "copy")
    conversation = described(str(tmp_path / "copy")).conversation
    assert conversation.openrlhf

    for name, tasks in (("prompts.jsonl", learnt), ("held-out.jsonl", held_out)):
        rows = blending_datasets(str(tmp_path / name), None, strategy())
        read = RewardDataset(rows, tokenizer, 64, strategy(), num_processors=1)
        expected = [
            [list(conversation.written(task, task.metadata[side]).ids) for side in ("chosen", "rejected")]
            for task in tasks
        ]
        found = [[read[i][0][0].tolist(), read[i][2][0].tolist()] for i in range(len(read))]
        assert all(pair in expected for pair in found)
        assert len(found) == (12 if name == "prompts.jsonl" else len(held_out))
        assert all(text[-1] == tokenizer.eos_token_id for pair in found for text in pair)


def test_what_is_held_out_is_what_the_trainer_preference_holds_out(run_with_pairs):
    from guerdon_local.pairs import _share

    learnt, held_out = pairs.divided(run_with_pairs(ROWS), 0.2)
    assert {task.prompt for task in held_out} == {
        row["prompt"] for row in ROWS if _share(Task("", row["prompt"])) < 0.2
    }
    assert len(learnt) + len(held_out) == len(ROWS)


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([{"prompt": "1", "completion": "2"}], {}, "no text under `chosen` and `rejected`"),
        (ROWS[:1] * 5, {}, "none is left to"),
        (ROWS, {"max_length": 5}, r"have \d+ tokens, and max_length is 5"),
    ],
)
def test_what_cannot_be_learnt_from_is_named(rows, options, said, model, run_with_pairs):
    run = run_with_pairs(rows, **options)
    with pytest.raises(DataError, match=said):
        write(run, model)


def printed(steps, micro_batches, trials, quick):
    """Lines of tqdm, called as OpenRLHF's trainer/rm_trainer.py calls it; `quick`: it counts without drawing."""
    from tqdm import tqdm

    text = io.StringIO()
    with contextlib.redirect_stderr(text):
        bar = tqdm(range(steps * micro_batches), desc="Train step of epoch 0", file=text, mininterval=9 if quick else 0)
        for number in range(1, steps * micro_batches + 1):
            bar.set_postfix({"loss": number / 10, "acc": number % 2, "lr": 0.1 * number, "grad_norm": 2.0})
            bar.update()
            step = number // micro_batches
            if number % micro_batches == 0 and step in trials:
                trial = tqdm(range(2), desc=f"Eval stage of steps {step}", file=text)
                trial.update()
                trial.update()
                trial.set_postfix({"eval_loss": 0.5, "acc_mean": 0.75, "reward_mean": 1e-05, "reward_std": 2.0})
                trial.close()
        bar.close()
    return re.split(r"[\r\n]+", text.getvalue())


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("micro_batches", [1, 2, 3])
def test_steps_are_means_of_their_micro_batches_whatever_the_bar_draws(quick, micro_batches):
    bars = Bars(micro_batches, 10)
    lines = printed(4, micro_batches, trials={2, 4}, quick=quick)
    lines = [line.replace("of steps 2", "of steps 12").replace("of steps 4", "of steps 14") for line in lines]
    found = [one for line in lines if (one := bars.read(line)) is not None]
    known: dict[int, dict[str, float]] = {}
    for step, metrics in found:
        assert not known.get(step, {}).keys() & metrics.keys()  # nothing is said twice
        known.setdefault(step, {}).update(metrics)
    assert list(known) == [11, 12, 13, 14]
    for step, metrics in known.items():
        numbers = range((step - 11) * micro_batches + 1, (step - 10) * micro_batches + 1)
        assert metrics["loss"] == pytest.approx(sum(numbers) / 10 / micro_batches, rel=0.01)
        assert metrics["accuracy"] == pytest.approx(sum(n % 2 for n in numbers) / micro_batches, rel=0.01)
        assert metrics["learning_rate"] == pytest.approx(0.1 * numbers[-1], rel=0.01)
        assert (metrics.get("eval/accuracy") == 0.75) == (step in (12, 14))


def test_a_checkpoint_of_openrlhfs_is_opened_by_the_reward_and_scores_at_its_end(model, tmp_path):
    """The head is OpenRLHF's, `score`; the class that it names is nobody else's."""
    import asyncio

    import safetensors.torch
    import torch
    from transformers import AutoConfig, AutoModel

    from guerdon import Rollout, opened

    config = AutoConfig.from_pretrained(model)
    tokenizer = tokenizer_of(model)
    tokenizer.pad_token = tokenizer.eos_token  # as OpenRLHF does where there is none
    body = AutoModel.from_pretrained(model, dtype=torch.float32).eval()
    head = torch.randn(1, config.hidden_size, generator=torch.Generator().manual_seed(0))
    weights = {f"model.{name}": part.contiguous() for name, part in body.state_dict().items()}
    safetensors.torch.save_file({**weights, "score.weight": head}, tmp_path / "model.safetensors", {"format": "pt"})
    facts = {**config.to_dict(), "architectures": ["RewardModel"], "pad_token_id": tokenizer.eos_token_id, "mean": 0.5}
    (tmp_path / "config.json").write_text(json.dumps(facts))
    tokenizer.save_pretrained(tmp_path)
    as_classifier(tmp_path / "config.json")
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == [
        "DeepseekV3ForSequenceClassification"
    ]

    reward = PreferenceModel(model=str(tmp_path), device="cpu")

    async def scored():
        async with opened(reward):
            return await reward.score([Rollout(Task("t", "1+1="), text) for text in ("2", "11", "2+2+2")])

    for text, score in zip(("2", "11", "2+2+2"), asyncio.run(scored()), strict=True):
        ids = [*tokenizer.encode("1+1=" + text), tokenizer.eos_token_id]
        ids = ids[:-1] if ids[-2] == tokenizer.eos_token_id else ids
        with torch.inference_mode():
            hidden = body(torch.tensor([ids])).last_hidden_state[0, -1]
        assert score.evidence["logit"] == pytest.approx(float(head[0] @ hidden), abs=1e-5)
