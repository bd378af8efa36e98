"""guerdon new reward NAME."""

import os
import subprocess
import sys

import pytest


def test_what_it_writes_passes_its_own_test(place):
    ended = place.guerdon("new", "reward", "last-line")
    assert ended.returncode == 0
    root = place / "guerdon-last-line"
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", root / "tests"],
        check=False, capture_output=True, text=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root / "src")},
    )  # fmt: skip
    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr


@pytest.mark.parametrize(
    "name", ["score", "task", "rollout", "verifier", "hookimpl", "any", "class-var", "none", "t-a-s-k", "value-error"]
)
def test_no_name_shadows_what_a_plugin_is_written_with(place, name):
    assert place.guerdon("new", "reward", name).returncode == 0
    root = place / f"guerdon-{name}"
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    test = next((root / "tests").iterdir())
    code = f"import runpy; module = runpy.run_path({str(test)!r}); module['test_it_keeps_the_contract_of_a_reward']()"
    ended = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=root, env=environment
    )
    assert ended.returncode == 0, ended.stderr


def test_what_it_writes_has_no_gaps_and_says_how_to_go_on(place):
    ended = place.guerdon("new", "reward", "last-line", "--directory", "mine")
    for path in (place / "mine").rglob("*"):
        if path.is_file():
            assert "$" not in path.read_text()
    assert 'name: ClassVar[str] = "last-line"' in (place / "mine/src/guerdon_last_line/__init__.py").read_text()
    commands = ended.stdout.split("\n\n")[1].split("\n")
    assert [command.split()[0] for command in commands if command] == ["pip", "pytest", "guerdon"]


def test_what_it_writes_is_clean(place):
    place.guerdon("new", "reward", "last-line")
    configuration = place.write("ruff.toml", "line-length = 120\n")
    for command in (["check"], ["format", "--check"]):
        ended = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "--config", configuration, "guerdon-last-line"],
            check=False, capture_output=True, text=True, cwd=place.directory,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stdout


def test_it_never_overwrites(place):
    place.guerdon("new", "reward", "last-line")
    before = (place / "guerdon-last-line/README.md").read_text()
    (place / "guerdon-last-line/README.md").write_text(before + "mine")
    assert "is there already" in place.complaint("new", "reward", "last-line")
    assert (place / "guerdon-last-line/README.md").read_text() == before + "mine"


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("Last Line", "as in 'last-line'"),
        ("1st", "as in 'st'"),
        ("../../etc", "as in 'etc'"),
        ("x--y", "as in 'x-y'"),
        ("", "as in 'rhyme'"),
        ("guerdon-rhyme", "say 'rhyme'"),
        ("echo", "choose another name"),
        ("format", "choose another name"),
    ],
)
def test_a_name_that_will_not_do_is_an_error_with_a_way_out(place, name, way_out):
    assert way_out in place.complaint("new", "reward", name)
    assert list(place.directory.iterdir()) == []
