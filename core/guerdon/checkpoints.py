"""Checkpoints that are complete or not there: written aside, hashed, renamed, and looked over before they are used."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from guerdon.errors import DataError, GuerdonError

MANIFEST = "guerdon.json"
KEPT = 2
"""The newest checkpoints that are kept, so that one is left when another is damaged. Ends of stages stay as well."""
_NAME = re.compile(r"step-(\d{5,})")
_ASIDE = ".saving-"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Saved:
    """A checkpoint that is there: after which step of the run, and which step of which stage."""

    path: Path
    step: int
    stage: str
    stage_step: int
    last: bool
    """Whether the stage was over with it."""


class Checkpoints:
    """The checkpoints of one run: directories `step-00060`, each with a manifest of its files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextmanager
    def saving(self, step: int, stage: str, stage_step: int, last: bool) -> Iterator[Path]:
        """An empty directory to be filled; it becomes the checkpoint when the context ends without an error.

        Raises DataError when the disk cannot take it. What was saved earlier is then still there.
        """
        final, aside = self.directory / f"step-{step:05d}", self.directory / f"{_ASIDE}step-{step:05d}"
        try:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            yield aside
            manifest = {
                "step": step,
                "stage": stage,
                "stage_step": stage_step,
                "last": last,
                "files": {name: _facts(aside / name) for name in _files(aside)},
            }
            (aside / MANIFEST).write_text(json.dumps(manifest, indent=1))
            for name in (*_files(aside), MANIFEST):
                _sync(aside / name)
            for place in (*(path for path in aside.rglob("*") if path.is_dir()), aside):
                _sync(place)
            if final.exists():
                shutil.rmtree(final)
            os.replace(aside, final)
            _sync(self.directory)
        except BaseException as error:
            failed = write_failure(error, aside)
            shutil.rmtree(aside, ignore_errors=True)
            if failed is not None:
                way_out = "make room, and go on with --resume"
                raise DataError(str(final), f"could not be saved: {failed}", way_out) from error
            raise
        self._prune()

    def found(self) -> list[Saved]:
        """The checkpoints that have a manifest, the oldest first. Their files are not looked at."""
        saved = []
        for path in self._named():
            manifest = _manifest(path)
            if isinstance(manifest, Saved):
                saved.append(manifest)
        return saved

    def last_good(self, damaged: list[str]) -> Saved | None:
        """The newest checkpoint whose files are what they were; says in `damaged` what is wrong with newer ones."""
        for path in reversed(self._named()):
            try:
                return verified(path)
            except DataError as error:
                damaged.append(str(error))
        return None

    def drop_after(self, step: int) -> None:
        """Remove what was saved after this step of the run, and what was never completed."""
        for path in self._named():
            if _step(path) > step:
                shutil.rmtree(path)
        for path in self.directory.glob(f"{_ASIDE}*"):
            shutil.rmtree(path)

    def _prune(self) -> None:
        kept = self.found()
        for saved in kept[:-KEPT]:
            if not saved.last:
                shutil.rmtree(saved.path)

    def _named(self) -> list[Path]:
        named = (path for path in self.directory.glob("step-*") if _NAME.fullmatch(path.name))
        return sorted(named, key=_step)


def verified(path: Path) -> Saved:
    """A checkpoint whose files have the hashes of its manifest. Raises DataError with the first one that has not."""
    saved = _manifest(path)
    if isinstance(saved, DataError):
        raise saved
    for name, facts in json.loads((path / MANIFEST).read_text())["files"].items():
        if not (path / name).is_file():
            raise DataError(str(path / name), "is missing from the checkpoint")
        if _facts(path / name) != facts:
            raise DataError(str(path / name), "is damaged: it is not what was saved")
    return saved


def write_failure(error: BaseException, place: Path) -> str | None:
    """What the disk at `place` had against it; None if the error is of another kind."""
    if isinstance(error, GuerdonError):
        return None
    if isinstance(error, OSError):
        return error.strerror or str(error)
    # A library written in another language has errors of its own.
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO):
        if os.strerror(number) in str(error):
            return os.strerror(number)
    full = isinstance(error, Exception) and place.exists() and shutil.disk_usage(place).free < _CHUNK
    return os.strerror(errno.ENOSPC) if full else None


def _manifest(path: Path) -> Saved | DataError:
    try:
        manifest = json.loads((path / MANIFEST).read_text())
        return Saved(path, manifest["step"], manifest["stage"], manifest["stage_step"], manifest["last"])
    except FileNotFoundError:
        return DataError(str(path), f"is no checkpoint of a run: it has no {MANIFEST}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        return DataError(str(path / MANIFEST), f"is damaged: {error}")


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def _facts(path: Path) -> dict[str, str | int]:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return {"bytes": path.stat().st_size, "blake2b": digest.hexdigest()}


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
