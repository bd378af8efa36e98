"""What OpenRLHF is given to ask: the very tokens that the local sampler would ask."""

import json
from types import SimpleNamespace

import pytest

from guerdon import DataError, Task
from guerdon.columns import task_of
from guerdon_local.models import load
from guerdon_local.sampler import prompt_ids
from guerdon_openrlhf.prompts import shuffled, tokenizer_of, write_demonstrations, write_questions, written

CHAT = (
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}<think>{% endif %}"
)


@pytest.fixture
def strategy():
    """As much of OpenRLHF's strategy as its data sets ask for."""
    data = SimpleNamespace(
        input_key="prompt", label_key="label", output_key="completion", apply_chat_template=False, image_key="images"
    )
    args = SimpleNamespace(data=data, use_ms=False)
    return SimpleNamespace(print=print, is_rank_0=lambda: True, args=args)


def test_openrlhfs_own_data_set_reads_the_questions_with_the_whole_task(model, run_file, run_of, strategy, tmp_path):
    from openrlhf.datasets import PromptDataset
    from openrlhf.datasets.utils import blending_datasets

    run, path = run_of(run_file()), tmp_path / "prompts.jsonl"
    write_questions(run.trainer, run, path, model)
    tokenizer = tokenizer_of(model)
    read = PromptDataset(blending_datasets(str(path), None, strategy), tokenizer, strategy)
    assert len(read) == 4 * 2  # steps × questions
    tasks = {task.id: task for task in run.tasks}
    local = load(model).tokenizer
    for _, prompt, label, images in (read[i] for i in range(len(read))):
        task = task_of(json.loads(label)["task"], "label")
        assert task == tasks[task.id]
        assert tokenizer(text=prompt, add_special_tokens=False)["input_ids"] == prompt_ids(local, task.prompt)
        assert images is None


def test_openrlhfs_own_data_set_reads_demonstrations_as_sft_does(model, run_file, run_of, strategy, tmp_path):
    from openrlhf.datasets import SFTDataset
    from openrlhf.datasets.utils import blending_datasets

    trainer = {"use": "openrlhf-sft", "steps": 2, "batch_size": 4, "gpus_per_node": 1}
    path = run_file()
    text = path.read_text().partition("[trainer]")[0]
    run = run_of(run_file(text, trainer=trainer))
    write_demonstrations(run.trainer, run, tmp_path / "shown.jsonl", model, 2)
    tokenizer = tokenizer_of(model)
    read = SFTDataset(blending_datasets(str(tmp_path / "shown.jsonl"), None, strategy), tokenizer, 64, strategy)
    assert len(read) == 8
    tasks = {task.prompt: task for task in run.tasks}
    local = load(model).tokenizer
    for row in range(8):
        ids, _, mask = read[row]
        tokens = ids[0].tolist()
        begin = int(mask[0].nonzero()[0]) + 1
        task = tasks[local.decode(tokens[:begin], skip_special_tokens=True)]
        assert tokens[:begin] == prompt_ids(local, task.prompt)
        completion = local.encode(task.metadata["completion"], add_special_tokens=False)
        assert tokens[begin:] == [*completion, local.eos_token_id]


def test_messages_are_written_by_the_chat_template_and_what_it_began_is_known(model):
    tokenizer = tokenizer_of(model)
    tokenizer.chat_template = CHAT
    prompt = written(tokenizer, Task("t", [{"role": "user", "content": "1+1=?"}]))
    assert prompt.text == "user: 1+1=?\n<think>"
    assert prompt.prefill == "<think>"
    assert prompt.length == len(tokenizer.encode(prompt.text, add_special_tokens=False))


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (Task("t", [{"role": "user", "content": "?"}]), "no chat template"),
        (Task("t", ""), None),
    ],
)
def test_a_prompt_that_cannot_be_written_is_named(model, task, said):
    tokenizer = tokenizer_of(model)
    if said is None:
        assert written(tokenizer, task).length == 1  # its beginning
        return
    with pytest.raises(DataError, match=f"task 't'.*{said}"):
        written(tokenizer, task)


def test_a_prompt_that_is_too_long_is_named_before_anything_starts(model, run_file, run_of, tmp_path):
    run = run_of(run_file(trainer={"max_prompt_length": 3}))
    with pytest.raises(
        DataError, match=r"task 'sums/train/0/0': its prompt has \d+ tokens, and max_prompt_length is 3"
    ):
        write_questions(run.trainer, run, tmp_path / "prompts.jsonl", model)


def test_tasks_that_no_reward_is_for_are_refused(model, run_file, run_of, tmp_path):
    run = run_of(
        run_file(
            rewards={
                "accuracy": {"use": "boxed-math", "domains": ["x"]},
                "format": {"use": "think-tags", "domains": ["x"]},
            }
        )
    )
    with pytest.raises(DataError, match="no reward with a weight applies"):
        write_questions(run.trainer, run, tmp_path / "prompts.jsonl", model)


def test_a_comma_in_the_path_is_refused_because_openrlhf_would_take_it_for_two(model, run_file, run_of, tmp_path):
    run, place = run_of(run_file()), tmp_path / "a,b"
    place.mkdir()
    with pytest.raises(DataError, match="has a ','"):
        write_questions(run.trainer, run, place / "prompts.jsonl", model)


def test_every_task_is_asked_before_one_is_asked_again():
    order = shuffled(5, seed=1, stage="rl")
    first, second = [next(order) for _ in range(5)], [next(order) for _ in range(5)]
    assert sorted(first) == sorted(second) == [0, 1, 2, 3, 4]
    assert first != second
    again = shuffled(5, seed=1, stage="rl")
    assert [next(again) for _ in range(5)] == first
