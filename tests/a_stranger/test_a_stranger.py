"""A reward of a stranger, and what happens when strangers make mistakes."""

import json
import shutil
from pathlib import Path

import pytest
from strangers import Environment, copied


@pytest.fixture
def with_another(environment: Environment, tmp_path: Path):
    """Installs one of the broken strangers, and takes it away again."""
    packages = next((environment.directory / "lib").glob("python*")) / "site-packages"
    before = set(packages.iterdir())

    def install(name: str) -> Environment:
        environment.install(copied(name, tmp_path))
        return environment

    yield install
    for path in set(packages.iterdir()) - before:
        shutil.rmtree(path)


def test_it_is_found_and_listed(environment: Environment):
    ended = environment.guerdon("plugins")
    rhyme = next(line for line in ended.stdout.splitlines() if " rhyme " in line)
    assert rhyme.split("  ")[0] == "reward"
    assert "The share of line pairs whose last words end alike." in rhyme
    assert "guerdon_rhyme" in rhyme
    assert "guerdon-rhyme 0.3.0" in rhyme


def test_our_own_plugins_are_beside_it(environment: Environment):
    assert "think-tags" in environment.guerdon("plugins").stdout


def test_it_is_shown(environment: Environment):
    ended = environment.guerdon("show", "rhyme")
    assert ended.returncode == 0
    assert "letters (int) = 2" in ended.stdout
    assert "How many last letters must be the same." in ended.stdout
    assert 'use = "rhyme"' in ended.stdout


def test_it_scores(environment: Environment, tmp_path: Path):
    (tmp_path / "mix.toml").write_text('[rewards.verse]\nuse = "rhyme"\nletters = 2\n')
    completions = ["I sat\nwith a cat", "I sat\nwith a dog", "a\na\nb\nc", "one"]
    rows = [{"prompt": "Write a couplet.", "completion": completion} for completion in completions]
    (tmp_path / "rollouts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ended = environment.guerdon("score", "mix.toml", "rollouts.jsonl", "--out", "scored.jsonl", at=tmp_path)
    assert ended.returncode == 0, ended.stderr
    scored = [json.loads(line) for line in (tmp_path / "scored.jsonl").read_text().splitlines()]
    assert [row["score"] for row in scored] == [1.0, 0.0, 0.5, 0.0]
    assert scored[2]["terms"]["verse"]["reason"] == "1 of 2 pairs rhyme"


def test_its_own_tests_pass(environment: Environment, tmp_path: Path):
    tests = copied("guerdon-rhyme", tmp_path) / "tests"
    ended = environment.run([environment.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests], at=tmp_path)
    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr


def test_one_that_cannot_be_imported_is_named_and_the_others_work(with_another, tmp_path: Path):
    environment = with_another("broken-import")
    ended = environment.guerdon("plugins")
    assert ended.returncode == 1
    assert "guerdon-rhyme 0.3.0" in ended.stdout
    assert "think-tags" in ended.stdout
    broken = ended.stdout.partition("What cannot be used")[2]
    assert "guerdon-verse" in broken
    assert "No module named 'a_module_that_nobody_has'" in broken
    assert "Traceback" not in ended.stdout + ended.stderr
    (tmp_path / "mix.toml").write_text('[rewards.verse]\nuse = "rhyme"\n')
    (tmp_path / "rollouts.jsonl").write_text('{"prompt": "p", "completion": "a\\na"}\n')
    ended = environment.guerdon("score", "mix.toml", "rollouts.jsonl", at=tmp_path)
    assert ended.returncode == 0, ended.stderr


def test_a_name_that_two_claim_is_nobodys_and_both_are_named(with_another, tmp_path: Path):
    environment = with_another("clashing-name")
    ended = environment.guerdon("plugins")
    assert ended.returncode == 1
    healthy, _, broken = ended.stdout.partition("What cannot be used")
    assert "guerdon-rhyme" in broken
    assert "guerdon-doggerel" in broken
    assert "reward 'rhyme'" in broken
    assert " rhyme " not in healthy
    assert " doggerel " in healthy
    assert "think-tags" in healthy
    (tmp_path / "mix.toml").write_text('[rewards.verse]\nuse = "rhyme"\n')
    ended = environment.guerdon("check", "mix.toml", at=tmp_path)
    assert ended.returncode == 2
    assert "guerdon-rhyme" in ended.stderr
    assert "guerdon-doggerel" in ended.stderr


def test_a_misspelt_hook_is_named_and_the_others_are_there(with_another):
    ended = with_another("misspelt-hook").guerdon("plugins")
    assert ended.returncode == 1
    healthy, _, broken = ended.stdout.partition("What cannot be used")
    assert "guerdon-sonnet" in broken
    assert "register_reward" in broken
    assert " rhyme " in healthy
    assert "think-tags" in healthy
