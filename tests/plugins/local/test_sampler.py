"""The sampler `local`: what it draws, and with what probability."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from guerdon import DataError, LiveModel, Rollout, Sampling, Task
from guerdon_local import generation, mla
from guerdon_local.checkpoint import Checkpoint
from guerdon_local.deepseek_v3 import DeepseekV3
from guerdon_local.drawing import draw, log_distribution
from guerdon_local.models import load, save
from guerdon_local.sampler import LocalSampler, prompt_ids
from guerdon_local.tokenizer import build

TASKS = [Task(str(number), text) for number, text in enumerate(["1+2=?", "9", "12+34+5=?\n", "a<think>", ""])]
SAMPLING = Sampling(max_completion_length=24, seed=3)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return DeepseekV3(vocabulary=(*"0123456789+=?a \n",)).checkpoint(tmp_path_factory.mktemp("policy"))


@pytest.fixture(scope="module")
def fast(checkpoint: Path) -> LiveModel:
    model = load(checkpoint)
    assert mla.pays(model.module)
    return model


@pytest.fixture(scope="module")
def slow(checkpoint: Path) -> LiveModel:
    """The same weights under a name that the fast path does not know."""
    model = load(checkpoint)
    model.module.config.update({"of_another_kind": 1})
    assert not mla.pays(model.module)
    return model


@pytest.fixture(scope="module")
def llama(checkpoint: Path) -> LiveModel:
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=[2, 5],
    )
    return LiveModel(LlamaForCausalLM(config).eval(), tokenizer)


@pytest.fixture(params=["fast", "slow", "llama"])
def model(request: pytest.FixtureRequest) -> LiveModel:
    found: LiveModel = request.getfixturevalue(request.param)
    return found


def sample(
    model: LiveModel | Path, sampling: Sampling = SAMPLING, size: int = 4, tasks: list[Task] = TASKS, **options: Any
) -> list[list[Rollout]]:
    return asyncio.run(LocalSampler(**options).sample(model, tasks, size, sampling))


def logits_of(model: LiveModel, rollout: Rollout) -> torch.Tensor:
    """What transformers says before each token of the completion."""
    assert rollout.prompt_ids is not None
    assert rollout.completion_ids is not None
    ids = torch.tensor([[*rollout.prompt_ids, *rollout.completion_ids]])
    with torch.no_grad():
        return model.module(ids, use_cache=False).logits[0, len(rollout.prompt_ids) - 1 : -1]


@pytest.mark.parametrize(("temperature", "top_p"), [(1.0, 1.0), (0.7, 1.0), (1.3, 0.8), (1.0, 0.3)])
def test_log_probabilities_are_those_of_transformers(model: LiveModel, temperature: float, top_p: float) -> None:
    sampling = replace(SAMPLING, temperature=temperature, top_p=top_p)
    for rollout in (one for group in sample(model, sampling) for one in group):
        expected = log_distribution(logits_of(model, rollout), temperature, top_p)
        drawn = expected.gather(-1, torch.tensor(rollout.completion_ids)[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(rollout.logprobs), drawn, rtol=1e-3, atol=1e-4)


def test_groups_come_in_the_order_of_the_tasks(model: LiveModel) -> None:
    groups = sample(model)
    assert [[rollout.task for rollout in group] for group in groups] == [[task] * 4 for task in TASKS]
    for group in groups:
        assert len({rollout.completion for rollout in group}) > 1
        for rollout in group:
            assert rollout.prompt_ids == prompt_ids(model.tokenizer, rollout.task.prompt)


def test_a_seed_gives_the_same_rollouts_whatever_else_draws_numbers(model: LiveModel) -> None:
    first = sample(model)
    torch.manual_seed(123)
    state = torch.get_rng_state()
    assert sample(model) == first
    assert torch.equal(state, torch.get_rng_state())
    assert sample(model, replace(SAMPLING, seed=4)) != first


def test_the_fast_path_draws_what_transformers_draws(fast: LiveModel, slow: LiveModel) -> None:
    for one, other in zip(sample(fast), sample(slow), strict=True):
        assert [rollout.completion for rollout in one] == [rollout.completion for rollout in other]


def test_temperature_zero_is_the_greedy_search_of_transformers(model: LiveModel) -> None:
    for (rollout,) in sample(model, replace(SAMPLING, temperature=0.0), 1):
        ids = torch.tensor([rollout.prompt_ids])
        said = model.module.generate(ids, do_sample=False, max_new_tokens=24, attention_mask=torch.ones_like(ids))
        assert said[0, ids.shape[1] :].tolist() == list(rollout.completion_ids or ())
        assert not any(rollout.logprobs or ())


def test_a_completion_ends_with_an_end_token_or_is_truncated(model: LiveModel) -> None:
    said = model.module.generation_config.eos_token_id
    ends = {*(said if isinstance(said, list) else [said])}
    rollouts = [rollout for group in sample(model, size=40) for rollout in group]
    assert {rollout.truncated for rollout in rollouts} == {True, False}
    ended_by = set()
    for rollout in rollouts:
        ids = list(rollout.completion_ids or ())
        assert len(ids) == len(rollout.logprobs or ())
        assert not ends & set(ids[:-1])
        assert rollout.truncated == (ids[-1] not in ends)
        assert not rollout.truncated or len(ids) == 24
        assert rollout.completion == model.tokenizer.decode(ids, skip_special_tokens=True)
        ended_by |= ends & {ids[-1]}
    assert ended_by == ends


def test_rows_that_leave_the_batch_change_nothing(model: LiveModel, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = sample(model, size=20)
    monkeypatch.setattr(generation, "DROP_AT", 1.0)
    never = sample(model, size=20)
    for one, other in zip(at_once, never, strict=True):
        assert [rollout.completion_ids for rollout in one] == [rollout.completion_ids for rollout in other]


@pytest.mark.parametrize("rows", [1, 3, 7, 8])
def test_few_rows_at_once_give_as_many_rollouts(fast: LiveModel, rows: int) -> None:
    groups = sample(fast, rows_at_once=rows)
    assert [[rollout.task.id for rollout in group] for group in groups] == [[task.id] * 4 for task in TASKS]
    assert len({rollout.completion for group in groups for rollout in group}) > 15
    for rollout in groups[2]:
        expected = logits_of(fast, rollout).log_softmax(-1)
        drawn = expected.gather(-1, torch.tensor(rollout.completion_ids)[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(rollout.logprobs), drawn, rtol=1e-3, atol=1e-4)


def test_a_prompt_is_read_once_for_its_group(slow: LiveModel) -> None:
    seen = []
    hook = slow.module.model.register_forward_pre_hook(
        lambda _, __, given: seen.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    sample(slow, size=6)
    hook.remove()
    assert seen[0][0] == len(TASKS)
    assert seen[1] == (6 * len(TASKS), 1)
    assert seen[-1][0] < 6 * len(TASKS)


def test_tokens_are_drawn_as_often_as_their_probabilities_say() -> None:
    chances = torch.tensor([0.5, 0.0, 0.3, 0.15, 0.05])
    numbers = torch.rand(40_000, generator=torch.Generator().manual_seed(0))
    drawn = draw(chances.log().expand(len(numbers), -1), numbers)
    shares = torch.bincount(drawn, minlength=5) / len(numbers)
    torch.testing.assert_close(shares, chances, atol=0.01, rtol=0)
    assert shares[1] == 0


@pytest.mark.parametrize("top_p", [1.0, 0.9, 0.5, 1e-9])
def test_the_ends_of_the_scale_stay_inside_of_the_nucleus(top_p: float) -> None:
    logits = torch.randn(2000, 50, generator=torch.Generator().manual_seed(0)) * 4
    logits[:, 49] = -1e4  # never, even with the largest number
    distribution = log_distribution(logits, 1.0, top_p)
    for number in (0.0, 1 - 2**-24):
        drawn = draw(distribution, torch.full((2000,), number))
        assert torch.isfinite(distribution.gather(-1, drawn[:, None])).all()
        assert (drawn < 49).all()


def test_the_nucleus_is_the_fewest_tokens_that_are_enough() -> None:
    chances = torch.tensor([[0.1, 0.4, 0.2, 0.3], [0.97, 0.01, 0.01, 0.01]])
    kept = log_distribution(chances.log(), 1.0, 0.69).exp()
    torch.testing.assert_close(kept, torch.tensor([[0.0, 4 / 7, 0.0, 3 / 7], [1.0, 0.0, 0.0, 0.0]]))
    torch.testing.assert_close(
        log_distribution(chances.log(), 1.0, 0.71).exp()[0], chances[0, :4] * torch.tensor([0, 1, 1, 1]) / 0.9
    )


def test_a_checkpoint_directory_is_loaded_once_and_again_when_it_is_another(
    checkpoint: Path, fast: LiveModel, tmp_path: Path
) -> None:
    expected = sample(fast, size=2)

    async def both() -> None:
        sampler = LocalSampler()
        place = Path(shutil.copytree(checkpoint, tmp_path / "place"))
        first = await sampler.sample(place, TASKS, 2, SAMPLING)
        assert first == expected
        loaded = sampler._loaded
        await sampler.sample(place, TASKS, 2, SAMPLING)
        assert sampler._loaded is loaded
        fast_again = load(checkpoint)
        with torch.no_grad():
            fast_again.module.lm_head.weight.mul_(-1)
        shutil.rmtree(place)
        save(fast_again, place)
        assert await sampler.sample(place, TASKS, 2, SAMPLING) != first
        await sampler.close()
        assert sampler._loaded is None

    asyncio.run(both())


def test_what_the_policy_cannot_read_is_named_with_its_task(fast: LiveModel) -> None:
    with pytest.raises(DataError, match=r"task 'odd': its prompt holds 'é', for which the tokenizer has no token"):
        sample(fast, tasks=[TASKS[0], Task("odd", "1+é")])


def test_a_prompt_without_room_for_its_completion_is_named(fast: LiveModel) -> None:
    with pytest.raises(DataError, match=r"task 'long': a prompt of 1011 tokens and a completion of 24 .* model's 1024"):
        sample(fast, tasks=[Task("long", "1" * 1010)])


def test_logits_that_are_no_numbers_are_an_error(checkpoint: Path) -> None:
    broken = load(checkpoint)
    with torch.no_grad():
        broken.module.model.norm.weight[3] = torch.nan
    for sampling in (SAMPLING, replace(SAMPLING, temperature=0.0), replace(SAMPLING, top_p=0.5)):
        with pytest.raises(DataError, match="logits are no numbers"):
            sample(broken, sampling)


def test_messages_need_a_chat_template(fast: LiveModel) -> None:
    with pytest.raises(DataError, match="no chat template"):
        sample(fast, tasks=[Task("chat", [{"role": "user", "content": "1+1"}])])


def test_a_chat_template_is_followed_up_to_where_the_answer_begins(fast: LiveModel) -> None:
    tokenizer = build((*"0123456789+=?\n",))
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.content }}=?{% endfor %}{% if add_generation_prompt %}<think>\n{% endif %}"
    )
    task = Task("chat", [{"role": "user", "content": "1+1"}])
    assert tokenizer.decode(prompt_ids(tokenizer, task.prompt)) == "1+1=?<think>\n"
    ((rollout,),) = sample(LiveModel(fast.module, tokenizer), tasks=[task], size=1)
    assert rollout.prefill == "<think>\n"
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(DataError, match="roles must alternate"):
        prompt_ids(tokenizer, task.prompt)


def test_a_model_that_is_being_trained_stays_so(checkpoint: Path) -> None:
    model = load(checkpoint, train=True)
    sample(model)
    assert model.module.training
    model.module(torch.tensor([[1, 9]])).logits.sum().backward()


def test_a_model_with_an_adapter_is_sampled_as_it_is(checkpoint: Path, fast: LiveModel, tmp_path: Path) -> None:
    place = Checkpoint(path=str(checkpoint), lora_rank=2).checkpoint(tmp_path)
    model = load(place, train=True)
    assert [one.completion for one in sample(place)[0]] == [one.completion for one in sample(fast)[0]]
    with torch.no_grad():
        for name, part in model.module.named_parameters():
            if "lora_B" in name:
                part.fill_(0.2)
    for rollout in sample(model)[0]:
        expected = logits_of(model, rollout).log_softmax(-1)
        drawn = expected.gather(-1, torch.tensor(rollout.completion_ids)[:, None])[:, 0]
        torch.testing.assert_close(torch.tensor(rollout.logprobs), drawn, rtol=1e-3, atol=1e-4)
    assert [one.completion for one in sample(model)[0]] != [one.completion for one in sample(fast)[0]]


def test_no_tasks_no_rollouts(fast: LiveModel) -> None:
    assert sample(fast, tasks=[]) == []
