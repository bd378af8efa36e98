"""One run file, the same rollouts, seven ways to have them judged: the same values, reasons and outcomes."""

import asyncio
import gzip
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from guerdon import Rollout, Task, runfile
from guerdon.columns import rollout_of
from guerdon.remote import RemoteMixture, fingerprint
from guerdon_openrlhf import parts
from guerdon_openrlhf.places import Places

pytestmark = pytest.mark.slow

CORPORA = Path(__file__).parents[2] / "corpora"
HARD = [
    Rollout(Task("hard/nul", "?", "1", "math", "en"), "\x00\\boxed{1}"),
    Rollout(Task("hard/empty", "?", "1", "math", "en"), ""),
    Rollout(Task("hard/truth", "?", {"not": "a number"}, "math", "en"), "\\boxed{1}"),
    Rollout(Task("hard/emoji", "?", "2", "math", "en"), "<think>🙂所以</think><answer>\\boxed{2}</answer>"),
    Rollout(Task("hard/domain", "?", "2", "poetry", "en"), "<think>a</think>roses"),
]
MIX = """
[rewards.accuracy]
use = "boxed-math"
domains = ["math"]

[rewards.format]
use = "think-tags"
weight = 0.5

[rewards.language]
use = "language-consistency"
weight = 0.1
language = "en"

[policy]
use = "deepseek-v3"

[tasks]
use = "sums"
size = 1

[trainer]
use = "openrlhf"
gpus_per_node = 1
group_size = 2
batch_size = 1
retries = 0
"""


@pytest.fixture(scope="module")
def rollouts():
    with gzip.open(CORPORA / "outputs" / "math_groups.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line, _ in zip(file, range(400), strict=False)][::4]
    real = [rollout_of({**row, "id": row["id"], "language": "en"}, "corpus")[0] for row in rows]
    return [*real, *HARD]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The directory of a run, as `guerdon train` leaves its run file there."""
    place = tmp_path_factory.mktemp("run")
    (place / "config.toml").write_text(f'directory = "{place}"\n{MIX}')
    return place


@pytest.fixture(scope="module")
def expected(rollouts, place):
    """By the library."""
    with runfile.load(place / "config.toml").mixture() as mixture:
        totals = mixture.submit(rollouts).result()
    assert {str(total.outcome) for total in totals} >= {"scored", "bad_ground_truth"}
    return [said(total) for total in totals]


def said(total):
    terms = {name: (one.score.value, one.score.reason, str(one.score.outcome)) for name, one in total.terms.items()}
    return total.value, total.reason, str(total.outcome), terms


def written(row):
    terms = {name: (one["value"], one["reason"], one["outcome"]) for name, one in row["terms"].items()}
    return row["score"], row["reason"], row["outcome"], terms


def a_row(rollout):
    return {**asdict(rollout.task), "completion": rollout.completion}


@pytest.fixture
def rows_file(rollouts, tmp_path):
    path = tmp_path / "rollouts.jsonl"
    path.write_text("".join(json.dumps(a_row(rollout)) + "\n" for rollout in rollouts))
    return path


@pytest.mark.parametrize("ray", [[], ["--ray", "local"]], ids=["one machine", "ray"])
def test_on_the_command_line(ray, rows_file, place, expected, tmp_path):
    command = [sys.executable, "-m", "guerdon", "score", str(place / "config.toml"), str(rows_file)]
    subprocess.run([*command, "--out", str(tmp_path / "scored.jsonl"), *ray], check=True, capture_output=True)
    rows = [json.loads(line) for line in (tmp_path / "scored.jsonl").read_text().splitlines()]
    assert [written(row) for row in rows] == expected


def test_over_http(rollouts, place, expected):
    command = [sys.executable, "-m", "guerdon", "serve", str(place / "config.toml"), "--port", "8931"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as server:
        try:
            for _ in range(300):
                try:
                    urllib.request.urlopen("http://127.0.0.1:8931/health", timeout=1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            terms = runfile.load(place / "config.toml").terms
            with RemoteMixture(["http://127.0.0.1:8931"], expect=fingerprint(terms)) as mixture:
                totals = mixture.submit(rollouts).result(timeout=120)
            assert [said(total) for total in totals] == expected
        finally:
            server.send_signal(signal.SIGTERM)
    assert server.returncode == 0


def test_in_openrlhfs_executor(rollouts, place, expected, executor_of, engine):
    """Every rollout is one of two of its question; the other one is the same."""
    places = Places(place / "stages" / "train")
    places.prepare(place / "config.toml", "train")
    executor, tokenizer = executor_of(places.agent), bytewise()
    sampling = SimpleNamespace(max_tokens=10_000, logprobs=None)

    async def all_of_them():
        executions = []
        for number, rollout in enumerate(rollouts):
            label = json.dumps({"question": number, "prefill": "", "task": asdict(rollout.task)})
            twice = engine(tokenizer, [rollout.completion] * 2)
            for _ in range(2):
                executions.append(executor.execute("prompt", label, sampling, 20_000, tokenizer, twice))
        return await asyncio.gather(*executions)

    answers = asyncio.run(all_of_them())
    executor.bridge.judging.judges.close()
    rows = parts.gather(places.scored)
    assert [written(row) for row in rows[::2]] == expected
    assert [written(row) for row in rows[1::2]] == expected
    assert [answer["reward"] for answer in answers[::2]] == [total[0] or 0.0 for total in expected]


def test_by_trls_reward_function(rollouts, place, expected, tmp_path):
    from guerdon.ledger import Ledger
    from guerdon_trl import reward_funcs

    (function,) = reward_funcs(place / "config.toml", directory=tmp_path)
    columns = {
        name: [getattr(rollout.task, name) for rollout in rollouts] for name in ("ground_truth", "domain", "language")
    }
    columns["id"] = [rollout.task.id for rollout in rollouts]
    prompts, completions = [r.task.prompt for r in rollouts], [r.completion for r in rollouts]
    values = function(prompts=prompts, completions=completions, **columns)
    assert values == [total[0] for total in expected]
    kept = {row["id"]: written(row) for row in Ledger(tmp_path).read()}
    assert [kept[rollout.task.id] for rollout in rollouts] == expected


def test_by_verls_compute_score(rollouts, place, expected):
    from guerdon_verl import compute_score_batch

    extra = [{"id": r.task.id, "domain": r.task.domain, "language": r.task.language} for r in rollouts]
    told = compute_score_batch(
        data_sources=["corpus"] * len(rollouts),
        solution_strs=[rollout.completion for rollout in rollouts],
        ground_truths=[rollout.task.ground_truth for rollout in rollouts],
        extra_infos=extra,
        run_file=str(place / "config.toml"),
    )
    for one, (value, reason, outcome, terms) in zip(told, expected, strict=True):
        assert (one["score"], one["reason"], one["outcome"]) == (value or 0.0, reason, outcome)
        for name, (of_term, why, became) in terms.items():
            assert one[f"rewards/{name}"] == (of_term or 0.0)
            assert (one[f"reasons/{name}"], one[f"outcomes/{name}"]) == (why, became)


def bytewise():
    """A tokenizer that gives back any text as it was."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    ids = {"<end>": 0, **{piece: number for number, piece in enumerate(alphabet, 1)}}
    tokenizer = Tokenizer(models.BPE(ids, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", clean_up_tokenization_spaces=False)


def test_the_test_itself_writes_no_text_another_way():
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    tokenizer = bytewise()
    for rollout in HARD:
        ids = tokenizer.encode(rollout.completion, add_special_tokens=False)
        assert tokenizer.decode(ids, skip_special_tokens=True) == rollout.completion
