"""The wheel holds guerdon and nothing else, and works where nothing else is installed."""

import subprocess
import sys
import venv
import zipfile
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]


def required(name, extras, seen):
    """Every distribution that installing `name[extras]` brings, by its name."""
    for line in requires(name) or []:
        requirement = Requirement(line)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in extras or [""]):
            wanted = requirement.name, frozenset(requirement.extras)
            if wanted not in seen:
                seen.add(wanted)
                required(requirement.name, requirement.extras, seen)
    return {one for one, _ in seen}


def test_all_brings_what_the_plugins_need_and_nothing_that_needs_an_environment_of_its_own():
    found = {name.lower() for name in required("guerdon", ["all"], set())}
    assert {"mpmath", "lingua-language-detector", "datasets", "torch", "transformers", "tensorboard"} <= found
    assert not found & {"openrlhf", "vllm", "ray", "trl"}


def test_without_the_trainers_and_trackers_there_is_no_torch():
    found = {name.lower() for name in required("guerdon", ["math", "language", "datasets", "docker"], set())}
    assert not found & {"torch", "transformers", "tensorboard", "wandb", "trackio"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    where = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", where, ROOT], check=True
    )
    (found,) = where.glob("*.whl")
    return found


@pytest.mark.slow
def test_the_wheel_holds_only_packages_of_guerdon(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {"guerdon", "guerdon_math", "guerdon_format", "guerdon_language", "guerdon_tasks"} <= tops
    assert all(top.startswith("guerdon") for top in tops)


@pytest.mark.slow
def test_every_package_in_the_wheel_has_its_types(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    packages = {name.partition("/")[0] for name in names if name.endswith("/__init__.py")}
    assert all(f"{package}/py.typed" in names for package in packages)


@pytest.mark.slow
def test_without_extras_the_plugins_are_listed_and_a_missing_library_is_named(wheel, tmp_path):
    # Only what guerdon itself depends on, borrowed from here; no sympy, no lingua.
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    here = Path(pytest.__file__).parents[1]
    for name in BASE:
        for path in here.glob(f"{name}*"):
            if path.stem.split("-")[0] == name or path.name == f"{name}.py":
                (Path(site) / path.name).symlink_to(path)
    zipfile.ZipFile(wheel).extractall(site)
    missing = "'boxed-math' needs the module mpmath, which is not installed; pip install 'guerdon[math]'"
    listed = subprocess.run(
        [python, "-m", "guerdon", "plugins"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert listed.returncode == 0, listed.stderr
    assert "boxed-math" in listed.stdout
    (tmp_path / "mix.toml").write_text('[rewards.math]\nuse = "boxed-math"\n')
    (tmp_path / "in.jsonl").write_text('{"prompt": "?", "completion": "\\\\boxed{1}", "ground_truth": "1"}\n')
    scored = subprocess.run(
        [python, "-m", "guerdon", "score", "mix.toml", "in.jsonl"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert scored.returncode == 2
    assert missing in scored.stderr
    assert "Traceback" not in scored.stderr


BASE = [
    "annotated_doc",
    "annotated_types",
    "markdown_it",
    "mdurl",
    "pluggy",
    "pyarrow",
    "pydantic",
    "pydantic_core",
    "pygments",
    "rich",
    "shellingham",
    "click",
    "typer",
    "typing_extensions",
    "typing_inspection",
]
