"""The documentation says what the code says."""

import importlib.util
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from guerdon import hookspecs, registry
from guerdon.evaluation import Evaluation
from guerdon.runfile import TOP_LEVEL, parse
from guerdon.stages import KEYS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *DOCS.rglob("*.md")]


def reference_writer():
    spec = importlib.util.spec_from_file_location("write_reference", DOCS / "reference" / "write.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["command-line.md", "files.md", "hooks.md", "kinds.md", "plugs.md"])
def test_the_reference_is_what_make_docs_would_write(page):
    assert (DOCS / "reference" / page).read_text() == reference_writer().pages()[page], "run `make docs`"


def test_every_hook_is_in_the_reference():
    text = (DOCS / "reference" / "hooks.md").read_text()
    hooks = [name for name, hook in vars(hookspecs).items() if hasattr(hook, "guerdon_spec")]
    assert len(hooks) >= 10
    assert not [name for name in hooks if f"## `{name}(" not in text]


def test_every_plug_of_ours_and_each_of_its_options_is_in_the_reference_with_a_manual():
    text = (DOCS / "reference" / "plugs.md").read_text()
    ours = [entry.plug for entry in registry.load().plugs.values() if entry.distribution == "guerdon"]
    assert len(ours) >= 8
    for plug in ours:
        assert f"### `{plug.name}`" in text
        for name, field in plug.model_fields.items():
            assert field.description, f"{plug.name}.{name} has no docstring"
            assert f"| `{name}` |" in text


def test_every_key_of_a_run_file_is_in_the_reference():
    text = (DOCS / "reference" / "run-file.md").read_text()
    assert not [key for key in TOP_LEVEL if f"`{key}`" not in text and f"[{key}" not in text]
    assert not [key for key in (*KEYS, *Evaluation.model_fields) if f"`{key}`" not in text]


def test_every_recipe_of_ours_is_in_the_reference():
    text = (DOCS / "reference" / "plugs.md").read_text()
    assert all(f"| `{name}` | {recipe.summary} |" in text for name, recipe in registry.load().recipes.items())


def test_every_command_is_in_the_reference_with_each_of_its_options():
    from typer.main import get_command

    from guerdon.cli.app import app

    text = (DOCS / "reference" / "command-line.md").read_text()
    commands = get_command(app).commands
    assert {"plugins", "show", "new", "check", "score", "explain"} <= set(commands)
    for name, command in commands.items():
        assert f"guerdon {name}" in text
        for parameter in command.params:
            for option in parameter.opts:
                assert not option.startswith("--") or option == "--help" or f"`{option}" in text, f"{name} {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_run_files_in_the_documentation_are_valid(page):
    for block in re.findall(r"```toml\n(.*?)```", page.read_text(), re.DOTALL):
        table = tomllib.loads(block)
        if "rewards" in table and not any(options.get("use") == "rhyme" for options in table["rewards"].values()):
            parse(table, page, block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_the_documentation_compiles(page):
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        compile(block, str(page), "exec")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_guerdon_commands_in_the_documentation_exist(page):
    from typer.main import get_command

    from guerdon.cli.app import app

    commands = get_command(app).commands
    for line in re.findall(r"^\$ guerdon (.*)$", page.read_text(), re.MULTILINE):
        words = shlex.split(line, comments=True)
        if not words[0].startswith("-"):
            assert words[0] in commands, line
