"""guerdon show NAME."""

import tomllib
from inspect import cleandoc

import pytest

from guerdon import registry
from guerdon.cli.describe import example, paragraphs


def test_it_shows_every_option_with_type_default_and_manual(place):
    out = place.guerdon("show", "described").stdout
    assert "path (path) required\n      A required path." in out
    assert "share (float, ≥ 0, ≤ 1) = 0.5\n      A share, of \\frac{1}{2} or [bold]so[/bold]." in out
    assert 'mode ("soft" or "hard") = "soft"\n' in out
    assert 'names (list of str) = ["a", "b \\"quoted\\""]\n' in out
    assert "sandbox (sandbox: a name, or a table with `use`) = not set\n" in out


def test_it_shows_where_a_reward_runs_and_its_budget(place):
    out = place.guerdon("show", "described").stdout
    assert "in a worker that can be killed; budget for each rollout: 1.5 s CPU, 3 s in all, 64 MiB" in out
    assert "runs: inline" in place.guerdon("show", "inline").stdout


def test_its_example_is_a_table_that_the_run_file_takes(place):
    out = place.guerdon("show", "described").stdout
    text = cleandoc(out.partition("in a run file\n")[2].replace("\n  ", "\n").strip())
    table = tomllib.loads(text)["rewards"]["described"]
    assert table == {
        "use": "described", "path": "…", "share": 0.5, "mode": "soft", "names": ["a", 'b "quoted"'],
        "seconds": float("inf"),
    }  # fmt: skip
    place.write("mix.toml", text)
    assert place.guerdon("check", "mix.toml").returncode == 0


def test_a_name_of_two_kinds_shows_both(place):
    out = place.guerdon("show", "right").stdout
    assert "reward right" in out
    assert "tasks right" in out
    assert "[tasks]" in out


def test_an_unknown_name_is_an_error_with_a_suggestion(place):
    assert "did you mean 'described'?" in place.complaint("show", "descrybed")


def test_a_name_that_two_claim_is_an_error_that_names_both(place):
    source = (
        "from guerdon import Verifier, hookimpl\n"
        "class Other(Verifier):\n    name = 'echo'\n    def verify(self, rollout): return 1\n"
        "@hookimpl\ndef register_rewards(register): register(Other)\n"
    )
    place.install("another", "another", source)
    complaint = place.complaint("show", "echo")
    assert "another" in complaint
    assert "tests-rewards" in complaint


@pytest.mark.parametrize("key", sorted(registry.load().plugs), ids=" ".join)
def test_the_example_of_every_installed_plug_is_toml(key):
    entry = registry.load().plugs[key]
    assert tomllib.loads(example(entry.plug))


def test_paragraphs_flow_and_lists_stay():
    assert paragraphs("One\ntwo.\n\n- three\n- four\ngoes on\n\n    code = 1\n    more = 2") == (
        "One two.\n\n- three\n- four goes on\n\n    code = 1\n    more = 2"
    )
