"""Checkpoint directories that are made from options: whole or not at all, and once."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from guerdon import DataError

MADE_FROM = "policy.json"
"""In the directory: the options that it was made from."""


def made_once(place: Path, options: Mapping[str, Any], write: Callable[[Path], None]) -> Path:
    """`place`, filled by `write` unless these very options made what is there. `options` are JSON values.

    Raises DataError where the disk does not take it.
    """
    if _made_from(place) == options:
        return place
    unfinished = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(mkdtemp(prefix=f"{place.name}.", dir=place.parent))
        write(unfinished)
        (unfinished / MADE_FROM).write_text(json.dumps(options, ensure_ascii=False, indent=1), "utf-8")
        unfinished.chmod(0o755)
        if place.exists():
            shutil.rmtree(place)
        os.replace(unfinished, place)
    except OSError as error:
        raise DataError(str(place), f"cannot be written: {error.strerror or error}", "look at the disk") from error
    finally:
        if unfinished is not None:
            shutil.rmtree(unfinished, ignore_errors=True)
    return place


def _made_from(place: Path) -> Any:
    try:
        return json.loads((place / MADE_FROM).read_text("utf-8"))
    except (OSError, ValueError):
        return None
