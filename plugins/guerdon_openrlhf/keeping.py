"""OpenRLHF's checkpoints as those of the run, and back."""

import json
import os
import shutil
from pathlib import Path

from guerdon import DataError, Run
from guerdon_openrlhf.places import Places

STATE = "openrlhf.json"
"""In the `trainer/` of a checkpoint: which step of OpenRLHF's it belongs to."""
TAG = "global_step{}"


def keep(run: Run, source: Path, step: int, theirs: int, *, last: bool) -> Path:
    """Make a Hugging Face checkpoint of OpenRLHF's a checkpoint of the run, and return it. `theirs`: its number there.

    Its files are moved by links, where both are on one disk. Raises DataError.
    """
    if not (source / "config.json").is_file():
        raise DataError(str(source), "OpenRLHF has left no checkpoint there", "look at its log, beside it")
    with run.journal.saving(step, last) as directory:
        for path in sorted(path for path in source.rglob("*") if path.is_file()):
            place = directory / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, place)
            except OSError:
                shutil.copyfile(path, place)
        (directory / "trainer").mkdir()
        (directory / "trainer" / STATE).write_text(json.dumps({"global_step": theirs}), "utf-8")
    shutil.rmtree(source)  # OpenRLHF never removes them
    return run.journal.checkpoints.directory / f"step-{run.journal.before + step:05d}"


def saved_by_openrlhf(places: Places, theirs: int) -> Path:
    """The Hugging Face checkpoint that OpenRLHF saves after a step of its own."""
    return places.checkpoints / f"{TAG.format(theirs)}_hf"


def resumed(run: Run, places: Places, inner: str) -> int:
    """OpenRLHF's step that the run goes on from, 0 for a beginning; what OpenRLHF saved later is removed.

    `inner`: where below its checkpoints OpenRLHF keeps what it resumes from. Raises DataError.
    """
    restored = run.journal.restored
    if restored is None:
        shutil.rmtree(places.checkpoints, ignore_errors=True)
        return 0
    path = restored / "trainer" / STATE
    try:
        step = int(json.loads(path.read_text("utf-8"))["global_step"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(str(path), f"cannot be read: {error}", "begin anew with --overwrite") from error
    theirs = places.checkpoints / inner
    if not (theirs / TAG.format(step)).is_dir():
        raise DataError(str(theirs / TAG.format(step)), "OpenRLHF's checkpoint is gone", "begin anew with --overwrite")
    for parent, suffix in ((theirs, ""), (places.checkpoints, "_hf")):
        for one in parent.glob(f"{TAG.format('*')}{suffix}"):
            number = one.name.removeprefix(TAG.format("")).removesuffix("_hf")
            if number.isdecimal() and int(number) > step:
                shutil.rmtree(one)
    # DeepSpeed goes on from what this file names, which may be one that was never completed.
    (theirs / "latest").write_text(TAG.format(step), "utf-8")
    return step
