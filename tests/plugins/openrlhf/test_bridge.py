"""The real executor interface of OpenRLHF 0.11.2, calling the bridge."""

import asyncio
import json
import math
from types import SimpleNamespace

import pytest

from guerdon import Rollout, registry, runfile
from guerdon.columns import task_of
from guerdon.ledger import Ledger
from guerdon.plugs import GroupReward, Verifier
from guerdon_openrlhf import parts
from guerdon_openrlhf.places import Places
from guerdon_openrlhf.prompts import tokenizer_of, write_questions

RIGHT, WRONG, UNTAGGED = (
    "<think>1+1=2</think><answer>\\boxed{{{}}}</answer>",
    "<think>1+1=2</think><answer>\\boxed{{999}}</answer>",
    "\\boxed{{{}}}",
)


class Moody(Verifier):
    """Has no score for what it cannot bear."""

    name = "moody"
    isolation = "inline"

    def verify(self, rollout):
        if "boxed{999}" in rollout.completion:
            from guerdon import Unavailable

            raise Unavailable("not today")
        return 1.0


class Flaky(Verifier):
    """Is there only the second time it is asked of a completion."""

    name = "flaky"
    isolation = "inline"

    def verify(self, rollout):
        from guerdon import Unavailable

        if rollout.completion not in SEEN:
            SEEN.add(rollout.completion)
            raise Unavailable("starting up")
        return 1.0


class Longest(GroupReward):
    """Pays the longest completion of each group."""

    name = "longest"
    isolation = "inline"

    def score_group(self, group):
        longest = max(len(rollout.completion) for rollout in group)
        return [float(len(rollout.completion) == longest) for rollout in group]


class Broken(Verifier):
    """Fails on everything."""

    name = "broken"
    isolation = "inline"

    def verify(self, rollout):
        raise RuntimeError("I am broken")


SEEN: set[str] = set()


@pytest.fixture(autouse=True)
def plugs(monkeypatch):
    SEEN.clear()
    for plug in (Moody, Flaky, Longest, Broken):
        monkeypatch.setitem(registry.load().plugs, ("reward", plug.name), registry.Entry(plug, "test", "test"))


@pytest.fixture
def bridge(model, run_file, run_of, executor_of, questions):
    """The executor of a run file's stage with the file's questions, as OpenRLHF would have them."""
    closing = []

    def make(**changed):
        path = run_file(**changed)
        run = run_of(path)
        places = Places(run.workdir.resolve())
        places.prepare(path.resolve(), run.stage)
        write_questions(run.trainer, run, places.prompts, model)
        executor = executor_of(places.agent)
        closing.append(executor.bridge.judging.judges)
        return SimpleNamespace(executor=executor, places=places, lines=questions(places.prompts), path=path)

    yield make
    for judges in closing:
        judges.close()


def asked(bridge, engine, line, size=4, logprobs=1):
    """What OpenRLHF's engine actor does for one question: so many executions at once."""

    async def together():
        tokenizer = engine.tokenizer
        params = SimpleNamespace(max_tokens=40, logprobs=logprobs)
        return await asyncio.gather(
            *(
                bridge.executor.execute(line["prompt"], line["label"], params, 80, tokenizer, engine)
                for _ in range(size)
            )
        )

    return asyncio.run(together())


def truth(line):
    return json.loads(line["label"])["task"]["ground_truth"]


def test_what_openrlhf_is_told_is_what_the_mixture_says(bridge, engine, model):
    made = bridge()
    tokenizer, line = tokenizer_of(model), made.lines[0]
    texts = [RIGHT.format(truth(line)), WRONG.format(), UNTAGGED.format(truth(line)), "nonsense"]
    answers = asked(made, engine(tokenizer, texts), line)
    assert sorted(answer["reward"] for answer in answers) == [0.0, 0.5, 1.0, 1.5]
    task = task_of(json.loads(line["label"])["task"], "label")
    with runfile.load(made.path).mixture(stage="train") as mixture:
        expected = mixture.submit([Rollout(task, text) for text in texts]).result()
    kept = parts.gather(made.places.scored)
    by_text = {row["completion"]: row for row in kept}
    for text, total in zip(texts, expected, strict=True):
        row = by_text[text]
        assert (row["score"], row["reason"], row["outcome"]) == (total.value, total.reason, str(total.outcome))
        for name, term in total.terms.items():
            kept_term = row["terms"][name]
            assert kept_term["value"] == term.score.value
            assert kept_term["reason"] == term.score.reason
            assert kept_term["evidence"] == dict(term.score.evidence)


def test_tokens_ranges_and_log_probabilities_fit_together(bridge, engine, model):
    made, tokenizer = bridge(), tokenizer_of(model)
    line = made.lines[0]
    answer = asked(made, engine(tokenizer, ["12"] * 4), line)[0]
    ((begin, end),) = answer["action_ranges"]
    assert answer["observation_tokens"][:begin] == tokenizer.encode(json.loads(line["label"])["task"]["prompt"])
    assert tokenizer.decode(answer["observation_tokens"][begin:end]) == "12" + tokenizer.eos_token
    assert answer["rollout_log_probs"] == [0.0] * begin + [-0.5] * (end - begin)
    assert len(answer["observation_tokens"]) == end
    assert asked(made, engine(tokenizer, ["12"] * 4), line, logprobs=None)[0]["rollout_log_probs"] is None


def test_a_completion_that_was_cut_off_is_known_to_be(bridge, engine, model):
    made, tokenizer = bridge(), tokenizer_of(model)
    answer = asked(made, engine(tokenizer, ["<think>1"] * 4, truncated=True), made.lines[0])[0]
    assert answer["truncated"]
    assert all(row["truncated"] for row in parts.gather(made.places.scored))


def test_every_sample_has_the_same_finite_extra_logs(bridge, engine, model):
    made, tokenizer = bridge(rewards={"moody": {"use": "moody"}}, trainer={"retries": 0}), tokenizer_of(model)
    answers = asked(made, engine(tokenizer, [WRONG.format(), "1", "2", WRONG.format()]), made.lines[0])
    keys = {frozenset(answer["extra_logs"]) for answer in answers}
    assert keys == {frozenset({"rewards/accuracy", "rewards/format", "rewards/moody", "unscored"})}
    assert all(math.isfinite(value) for answer in answers for value in answer["extra_logs"].values())
    assert all(isinstance(answer["reward"], float) and math.isfinite(answer["reward"]) for answer in answers)
    assert sorted(answer["extra_logs"]["unscored"] for answer in answers) == [0.0, 0.0, 1.0, 1.0]


def test_no_score_is_paid_like_the_others_of_its_group_and_kept_as_no_score(bridge, engine, model):
    made, tokenizer = bridge(rewards={"moody": {"use": "moody"}}, trainer={"retries": 0}), tokenizer_of(model)
    line = made.lines[0]
    texts = [WRONG.format(), RIGHT.format(truth(line)), UNTAGGED.format(truth(line)), "5"]
    answers = asked(made, engine(tokenizer, texts), line)
    paid = {answer["extra_logs"]["unscored"]: answer["reward"] for answer in answers}
    scored = [answer["reward"] for answer in answers if not answer["extra_logs"]["unscored"]]
    assert paid[1.0] == pytest.approx(sum(scored) / 3)
    (row,) = [row for row in parts.gather(made.places.scored) if row["score"] is None]
    assert row["outcome"] == "unavailable"
    assert row["paid"] == pytest.approx(sum(scored) / 3)


def test_no_score_is_paid_what_the_option_says(bridge, engine, model):
    made = bridge(rewards={"moody": {"use": "moody"}}, trainer={"retries": 0, "substitute": -1.0})
    answers = asked(made, engine(tokenizer_of(model), [WRONG.format()] * 4), made.lines[0])
    assert [answer["reward"] for answer in answers] == [-1.0] * 4


def test_a_group_without_any_score_is_paid_nothing(bridge, engine, model):
    made = bridge(rewards={"moody": {"use": "moody"}}, trainer={"retries": 0})
    answers = asked(made, engine(tokenizer_of(model), [WRONG.format()] * 4), made.lines[0])
    assert [answer["reward"] for answer in answers] == [0.0] * 4


def test_what_was_not_there_is_asked_again(bridge, engine, model, monkeypatch):
    monkeypatch.setattr("guerdon_openrlhf.judging.RETRY_SECONDS", 0.01)
    made = bridge(rewards={"flaky": {"use": "flaky"}})
    answers = asked(made, engine(tokenizer_of(model), ["1", "2", "3", "4"]), made.lines[0])
    assert [answer["extra_logs"]["unscored"] for answer in answers] == [0.0] * 4


def test_a_reward_that_compares_sees_the_whole_group(bridge, engine, model):
    made = bridge(rewards={"longest": {"use": "longest", "weight": 10}})
    answers = asked(made, engine(tokenizer_of(model), ["1", "11111", "111", "11"]), made.lines[0])
    assert sorted(answer["reward"] for answer in answers) == [0.0, 0.0, 0.0, 10.0]


def test_two_questions_at_once_are_two_groups(bridge, engine, model):
    made, tokenizer = bridge(rewards={"longest": {"use": "longest", "weight": 10}}), tokenizer_of(model)
    engines = [engine(tokenizer, ["1", "11", "111", "1111"]), engine(tokenizer, ["1" * n for n in (9, 8, 7, 6)])]
    params = SimpleNamespace(max_tokens=40, logprobs=None)

    async def both():
        return await asyncio.gather(
            *(
                made.executor.execute(line["prompt"], line["label"], params, 80, tokenizer, one)
                for _ in range(4)
                for line, one in zip(made.lines[:2], engines, strict=True)
            )
        )

    answers = asyncio.run(both())
    assert sum(answer["reward"] for answer in answers) == 20.0
    groups = [row["group"] for row in parts.gather(made.places.scored)]
    assert groups == [0] * 4 + [1] * 4


def test_a_reward_that_is_broken_stops_the_run_by_a_file_and_raises_nothing(bridge, engine, model):
    made, tokenizer = bridge(rewards={"broken": {"use": "broken"}}), tokenizer_of(model)
    for line in made.lines * 4:
        label = json.loads(line["label"])
        label["task"]["id"] += f" {len(SEEN)}"
        SEEN.add(label["task"]["id"])
        answers = asked(made, engine(tokenizer, ["1"] * 4), {**line, "label": json.dumps(label)})
        assert all(math.isfinite(answer["reward"]) for answer in answers)
    said = json.loads(made.places.failure.read_text())
    assert said["where"] == "reward 'broken'"
    assert "I am broken" in said["what"]


def test_what_the_engine_raises_is_openrlhfs_to_handle_and_nobody_waits_for_it(bridge, engine, model):
    made = bridge(rewards={"longest": {"use": "longest"}})
    broken = engine(tokenizer_of(model), ["1", RuntimeError("out of memory"), "2", "3"])

    async def within():
        params, line = SimpleNamespace(max_tokens=40, logprobs=None), made.lines[0]
        executions = [
            made.executor.execute(line["prompt"], line["label"], params, 80, broken.tokenizer, broken) for _ in range(4)
        ]
        return await asyncio.wait_for(asyncio.gather(*executions, return_exceptions=True), 20)

    answers = asyncio.run(within())
    assert [type(answer) for answer in answers].count(RuntimeError) == 1
    assert all(math.isfinite(answer["reward"]) for answer in answers if isinstance(answer, dict))


def test_rollouts_are_on_disk_before_openrlhf_has_them_all(bridge, engine, model):
    made = bridge()
    asked(made, engine(tokenizer_of(model), ["1", "2", "3", "4"]), made.lines[0])
    kept = parts.gather(made.places.scored)
    assert len(kept) == 4
    assert parts.gather(made.places.scored) == []
    Ledger(made.places.directory).write_rows(7, kept)
    assert [row["step"] for row in Ledger(made.places.directory).read()] == [7] * 4


def test_a_full_disk_stops_the_run_by_a_file(bridge, engine, model, monkeypatch):
    from guerdon import DataError

    made = bridge()

    def full(*_):
        raise DataError("rollouts", "cannot be written: No space left on device", "free some space")

    monkeypatch.setattr(made.executor.bridge.parts.ledger, "write_rows", full)
    answers = asked(made, engine(tokenizer_of(model), ["1"] * 4), made.lines[0])
    assert len(answers) == 4
    assert "No space left" in made.places.failure.read_text()
