"""`guerdon new reward NAME`: an installable plugin, with a test that passes, to start from."""

import builtins
import keyword
import re
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from guerdon.errors import GuerdonError

app = typer.Typer(help="Start a plugin of your own.", no_args_is_help=True)

TEMPLATES = Path(__file__).with_name("template")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


@app.callback()
def new() -> None:
    """Start a plugin of your own."""


@app.command("reward")
def reward(
    name: Annotated[str, typer.Argument(help="What the run file will call it, as in `rhyme` or `exact-match`.")],
    directory: Annotated[
        Path | None, typer.Option(help="Where to write it; ./guerdon-NAME if you do not say.", show_default=False)
    ] = None,
) -> None:
    """Write a plugin with one reward: a distribution that pip installs, with a test that passes."""
    _check(name)
    package = f"guerdon_{name.replace('-', '_')}"
    target = directory or Path(f"guerdon-{name}")
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise GuerdonError(str(target), "is there already, and is not overwritten", "name another with --directory")
    words = {
        "name": name,
        "distribution": f"guerdon-{name}",
        "package": package,
        "class_name": _class_name(name),
        "version": _own_version(),
    }
    files = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"src/{package}/__init__.py": "__init__.py",
        f"tests/test_{package.removeprefix('guerdon_')}.py": "test.py",
    }
    try:
        for path, template in files.items():
            text = Template((TEMPLATES / f"{template}.template").read_text("utf-8")).substitute(words)
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            (target / path).write_text(text, "utf-8")
        (target / f"src/{package}/py.typed").touch()
    except OSError as error:
        raise GuerdonError(str(target), f"cannot be written: {error.strerror}") from None
    typer.echo(f"{target} is a plugin with the reward '{name}'. Go on with\n")
    for command in (f"pip install -e '{target}[test]'", f"pytest {target}", f"guerdon show {name}"):
        typer.echo(f"  {command}")


def _check(name: str) -> None:
    if not NAME.fullmatch(name):
        plain = "-".join(re.findall(r"[a-z0-9]+", name.lower())).lstrip("0123456789-")
        way_out = f"as in '{plain}'" if plain else "as in 'rhyme' or 'exact-match'"
        raise GuerdonError(f"name '{name}'", "is not made of small letters, digits and single hyphens", way_out)
    if name.startswith("guerdon-"):
        raise GuerdonError(f"name '{name}'", "gets its 'guerdon-' by itself", f"say '{name.removeprefix('guerdon-')}'")
    _check_free(name)


def _check_free(name: str) -> None:
    from importlib.util import find_spec

    from guerdon.cli.installed import registry

    package = f"guerdon_{name.replace('-', '_')}"
    if find_spec(package) is not None:
        raise GuerdonError(f"name '{name}'", f"its package {package} is installed already", "choose another name")
    entry = registry().plugs.get(("reward", name))
    if entry is not None:
        what = f"{entry.distribution} has a reward of this name, and then neither could be used"
        raise GuerdonError(f"name '{name}'", what, "choose another name")


def _class_name(name: str) -> str:
    plain = "".join(part.capitalize() for part in name.split("-"))
    said = {word for path in TEMPLATES.iterdir() for word in re.findall(r"\w+", path.read_text("utf-8"))}
    taken = plain in said or hasattr(builtins, plain) or keyword.iskeyword(plain)
    return f"{plain}Reward" if taken else plain


def _own_version() -> str:
    from importlib.metadata import version

    return version("guerdon")
