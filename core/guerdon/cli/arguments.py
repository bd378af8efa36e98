"""Arguments that several commands share, and what they mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from guerdon.columns import Columns
    from guerdon.runfile import RunFile

File: TypeAlias = Annotated[Path, typer.Argument(metavar="FILE", help="A run file (TOML).", show_default=False)]
FileOrRecipe: TypeAlias = Annotated[
    Path,
    typer.Argument(
        metavar="FILE|RECIPE", help="A run file (TOML), or a recipe from `guerdon plugins`.", show_default=False
    ),
]
Rollouts: TypeAlias = Annotated[
    Path, typer.Argument(metavar="ROLLOUTS", help="Rollouts: .jsonl, .json, .parquet or .csv.", show_default=False)
]
Overrides: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a key of the run file, as in rewards.math.weight=2.",
        show_default=False,
    ),
]
Map: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="OURS=THEIRS",
        help="Take a column by another name, as in completion=response.",
        show_default=False,
    ),
]
Workers: TypeAlias = Annotated[
    int | None,
    typer.Option(min=1, help="Worker processes per isolated reward; one a core if you do not say.", show_default=False),
]


def load(file: Path, overrides: Sequence[str] | None) -> "RunFile":
    """The run file with its overrides; a name that is no file may be a recipe's."""
    from guerdon import runfile
    from guerdon.cli.installed import printing_aside, registry
    from guerdon.errors import DataError, suggestion

    if not file.suffix and not file.exists():
        name, found = str(file), registry()
        if name not in found.recipes and ("recipe", name) not in found.clashes:
            raise DataError(name, "is neither a file nor a recipe", suggestion(name, sorted(found.recipes)))
        file = found.recipe(name).path
    with printing_aside():
        return runfile.load(file, overrides or ())


def columns(pairs: Sequence[str] | None) -> "Columns":
    """The mapping that `--map` asks for. Raises OptionError."""
    from guerdon.columns import ROLLOUT_COLUMNS, no_column
    from guerdon.errors import OptionError

    mapping: dict[str, str] = {}
    for pair in pairs or ():
        ours, equals, theirs = (part.strip() for part in pair.partition("="))
        if not (ours and equals and theirs):
            raise OptionError(f"--map {pair}", "is not of the form OURS=THEIRS", "as in --map completion=response")
        if ours not in ROLLOUT_COLUMNS:
            what, way_out = no_column(ours, ROLLOUT_COLUMNS)
            if theirs in ROLLOUT_COLUMNS:
                way_out = f"guerdon's own name comes first: --map {theirs}={ours}"
            raise OptionError(f"--map {pair}", what, way_out)
        if ours in mapping:
            raise OptionError(f"--map {pair}", f"'{ours}' is mapped twice", "leave one out")
        mapping[ours] = theirs
    return mapping
