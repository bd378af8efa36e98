"""The shape of the house: who may import whom, and how large a room may be."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "core" / "guerdon"
ROOTS = [ROOT / "core", ROOT / "plugins", ROOT / "sandboxes"]
SOURCES = sorted(file for root in ROOTS for file in root.rglob("*.py") if "template" not in file.parts)
PACKAGES = sorted(directory for root in ROOTS if root.is_dir() for directory in root.iterdir() if directory.is_dir())
HEAVY = (
    "aiohttp",
    "sympy",
    "torch",
    "transformers",
    "peft",
    "matplotlib",
    "tensorboard",
    "trackio",
    "wandb",
    "lingua",
    "jieba",
    "langdetect",
    "docker",
    "datasets",
    "numpy",
    "pandas",
    "ray",
    "vllm",
    "openrlhf",
    "trl",
    "verl",
    "openai",
    "fastapi",
    "uvicorn",
    "httpx",
)

FLOORS = [
    ("errors", "jsonvalues", "endpoints"),
    ("types", "passes", "programs", "correlations", "groups", "preference"),
    ("plugs",),
    ("hookspecs", "wire", "checkpoints"),
    ("registry", "judging", "totals"),
    ("worker", "forkserver", "launcher", "inprocess", "events"),
    ("workers", "blame"),
    ("mixture", "advantage", "hacking", "journal"),
    ("ledger", "rows", "columns", "parquet", "options", "consensus", "report", "evaluation"),
    ("stages", "runfile", "remote"),
    ("scoring", "preferring", "remote", "resident", "serving", "testing", "training", "scaling"),
    ("cli", "__main__"),
]
"""From the ground up. Imports at the head of a module go down, or stay on their floor; `TYPE_CHECKING` is exempt."""


def imported(file: Path, everywhere: bool = True) -> Iterator[str]:
    """What a module imports: everywhere in it, or at its head only."""
    tree = ast.parse(file.read_text())
    nodes = ast.walk(tree) if everywhere else iter(tree.body)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_core_imports_no_plugin() -> None:
    for file in SOURCES:
        if CORE in file.parents:
            assert not [name for name in imported(file) if name.startswith("guerdon_")], file


def test_core_imports_nothing_heavy_at_the_head_of_a_module() -> None:
    for file in SOURCES:
        if CORE in file.parents:
            assert not [name for name in imported(file, False) if name.partition(".")[0] in (*HEAVY, "pyarrow")], file


@pytest.mark.parametrize("code", ["import guerdon", "import guerdon.registry as r; r.load()", "import guerdon.runfile"])
def test_nothing_heavy_is_imported_before_it_is_used(code: str) -> None:
    ask = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout)
    assert not {name.partition(".")[0] for name in loaded} & {*HEAVY, "pyarrow"}


def test_a_worker_needs_no_command_line() -> None:
    ask = "import guerdon.worker, guerdon.forkserver, json, sys\nprint(json.dumps(sorted(sys.modules)))"
    loaded = json.loads(subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout)
    assert not {"typer", "rich", "click", "guerdon.cli"} & set(loaded)


def test_plugins_use_only_the_public_api() -> None:
    # `rows`, `columns` and `jsonvalues` are for sources of tasks: how rows of files become tasks is one thing, here and
    # there. The others are for trainers that score elsewhere: what a run file says, and where its rewards are served.
    # `endpoints` is for whatever asks a model that others serve.
    public = {"guerdon", "guerdon.testing", "guerdon.rows", "guerdon.columns", "guerdon.jsonvalues"}
    public |= {"guerdon.runfile", "guerdon.remote", "guerdon.resident", "guerdon.ledger", "guerdon.endpoints"}
    for file in SOURCES:
        if CORE not in file.parents:
            modules = {name for node in ast.walk(ast.parse(file.read_text())) for name in _modules(node)}
            inner = {name for name in modules if name.partition(".")[0] == "guerdon"} - public
            assert not inner, f"{file} uses {inner}"


def test_plugins_do_not_import_each_other() -> None:
    for package in PACKAGES:
        for file in package.rglob("*.py"):
            names = {name.partition(".")[0] for name in imported(file)}
            assert not {name for name in names if name.startswith("guerdon_")} - {package.name}, file


def test_imports_of_core_go_down_the_floors() -> None:
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    rooms = {
        file.stem if file.parent == CORE else file.relative_to(CORE).parts[0]
        for file in SOURCES
        if CORE in file.parents
    }
    assert rooms - {"__init__"} <= set(floor), "a new room needs a floor"
    for file in SOURCES:
        if CORE not in file.parents or file == CORE / "__init__.py":
            continue
        room = file.stem if file.parent == CORE else file.relative_to(CORE).parts[0]
        for name in imported(file, False):
            parts = name.split(".")
            if parts[0] == "guerdon" and len(parts) > 1 and parts[1] in floor:
                assert floor[parts[1]] <= floor[room], f"{file.name} imports {name}, which lies above it"


def test_no_source_file_is_long() -> None:
    long = {str(file.relative_to(ROOT)): n for file in SOURCES if (n := len(file.read_text().splitlines())) > 400}
    assert not long


def test_every_source_file_says_what_for() -> None:
    for file in SOURCES:
        assert ast.get_docstring(ast.parse(file.read_text())), file


def test_every_package_is_typed_and_lies_directly_in_its_root() -> None:
    assert [
        package.name for package in PACKAGES if not (package / "py.typed").is_file() and package.name != "__pycache__"
    ] == []
    assert all(package.name.startswith("guerdon") for package in PACKAGES if package.name != "__pycache__")


def test_nothing_is_evaluated_or_unpickled_outside_of_a_sandbox() -> None:
    for file in SOURCES:
        if "inside" in file.parts:
            continue  # what is in a directory of this name is only ever run in a sandbox
        calls = [node.func for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
        names = {call.id for call in calls if isinstance(call, ast.Name)}
        assert not names & {"eval", "exec", "sympify", "parse_expr", "parse_latex"}, file
        assert not {name.partition(".")[0] for name in imported(file)} & {"pickle", "dill", "cloudpickle", "marshal"}, (
            file
        )


def test_no_room_is_called_utils() -> None:
    assert not [file for file in SOURCES if file.stem in ("utils", "util", "helpers", "common", "misc")]


def _modules(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [name.name for name in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module]
    return []
