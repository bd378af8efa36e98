"""guerdon plugins, and what starting guerdon costs."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "sympy", "docker", "pyarrow", "lingua", "jieba", "langdetect", "datasets", "reasoning_gym", "numpy")


@pytest.mark.parametrize("arguments", [["--help"], ["plugins"]])
def test_nothing_heavy_is_imported(arguments):
    code = (
        f"import sys; sys.argv[1:] = {arguments}\n"
        "from guerdon.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"sys.stderr.write('imported: ' + ' '.join(name for name in {HEAVY} if name in sys.modules) + '.')"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr.endswith("imported: .")


def test_help_loads_no_plugin():
    code = (
        "import sys; sys.argv[1:] = ['--help']\n"
        "from guerdon.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.stderr.write(' '.join(name for name in sys.modules if name.startswith('guerdon_')))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    assert "score" in ended.stdout


def test_every_plug_is_on_a_line_of_its_own_in_a_pipe(place):
    out = place.guerdon("plugins").stdout
    line = next(line for line in out.splitlines() if " described " in line)
    assert line.split() == [
        "reward",
        "described",
        "Has",
        "an",
        "option",
        "of",
        "every",
        "type.",
        "rewards_for_tests",
        "tests-rewards",
        "1.0",
    ]


def test_kinds_are_told_apart(place):
    out = place.guerdon("plugins").stdout
    assert [line.split()[0] for line in out.splitlines() if " right " in line] == ["reward", "tasks"]


def test_a_plugin_that_only_listens_is_listed(place):
    source = '"""Counts."""\nfrom guerdon import hookimpl\n@hookimpl\ndef rollouts_scored(totals): pass\n'
    place.install("a-tracker", "tracker", source)
    line = next(line for line in place.guerdon("plugins").stdout.splitlines() if " Counts. " in line)
    assert line.split() == ["listener", "Counts.", "tracker", "a-tracker", "1.0"]


def test_a_broken_plugin_is_named_after_the_healthy_ones(place):
    place.install("a-wreck", "wreck", "1 / 0")
    ended = place.guerdon("plugins")
    assert ended.returncode == 1
    healthy, _, broken = ended.stdout.partition("What cannot be used")
    assert " echo " in healthy
    assert "a-wreck" in broken
    assert "ZeroDivisionError: division by zero" in broken


def test_a_broken_plugin_that_prints_control_characters_does_not_steer_the_terminal(place):
    place.install("a-wreck", "wreck", 'raise ValueError("\\x1b[2J")')
    out = place.guerdon("plugins").stdout
    assert "\x1b" not in out
    assert "\\x1b[2J" in out


def test_a_misspelt_command_is_an_error_with_a_suggestion(place):
    ended = place.guerdon("plugin")
    assert ended.returncode == 2
    assert "plugins" in ended.stderr


def test_it_says_its_version(place):
    from importlib.metadata import version

    assert place.guerdon("--version").stdout == f"guerdon {version('guerdon')}\n"
